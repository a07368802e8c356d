"""GPUs are judged by what the host's programs print: one machine of `machines.toml` is one case."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from lifecycle.hosts.gpus.evidence import Evidence, EvidenceError, make_evidence, read_evidence, refusals, state_before
from lifecycle.hosts.gpus.judge import judge
from lifecycle.hosts.gpus.outputs import OutputsError, read_outputs
from lifecycle.hosts.gpus.smi import SmiError, read_smi
from lifecycle.hosts.gpus.tools import ToolError, read_diagnosis, read_links
from planner.acceptance import Fabric
from tests.lifecycle.gpus.machines import Machine, collected, machines, printed

MACHINES = machines()
GOOD = MACHINES["h200-sxm-x8"]


def evidence_of(machine: Machine, **more: str) -> Evidence:
    return make_evidence(collected(printed(machine)), machine.expected, host="h", **more)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_what_speaks_against_a_machine(machine: Machine) -> None:
    evidence = evidence_of(machine)
    assert tuple(verdict.what for verdict in evidence.verdicts if verdict.state == "no") == machine.no
    assert tuple(verdict.what for verdict in evidence.verdicts if verdict.state == "note") == machine.note
    assert evidence.accepted == (not machine.no)
    assert all(verdict.found for verdict in evidence.verdicts)
    assert all(bool(verdict.remedy) == (verdict.state != "ok") for verdict in evidence.verdicts)
    assert machine.says in " | ".join(refusals(evidence))


PROGRAMS = ("smi", "topo", "kernel", "diagnosis", "all_reduce", "smi_after", "fabric")
SILENT = {"gone": None, "missing": (127, ""), "empty": (0, ""), "nonsense": (1, "Segmentation fault\n")}
# A kernel's log without errors of the driver's is a good one.
EACH = [(name, how) for name in PROGRAMS for how in SILENT if name != "kernel" or how in {"gone", "missing"}]


@pytest.mark.parametrize(("name", "how"), EACH)
def test_a_program_that_says_nothing_is_never_a_good_sign(name: str, how: str) -> None:
    outputs = printed(GOOD)
    del outputs[name]
    if (said := SILENT[how]) is not None:
        outputs[name] = said
    assert not make_evidence(collected(outputs), GOOD.expected, host="h").accepted


def test_evidence_is_read_again_and_judged_again(tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    evidence = evidence_of(MACHINES["slow all-reduce"])
    path.write_bytes(msgspec.json.encode(evidence))
    assert read_evidence(path) == evidence
    assert {output.name for output in evidence.outputs} >= {"smi", "topo", "kernel", "diagnosis", "all_reduce"}

    text = path.read_text()
    for forged, told in (
        (text.replace('"accepted":false', '"accepted":true'), "verdicts"),
        (text.replace("120.5 \\n", "480.5 \\n"), "all_reduce"),
        (text.replace('"state":"no"', '"state":"ok"', 1), "verdicts"),
        (text[:-9], "h.json"),
    ):
        assert forged != text
        path.write_text(forged)
        with pytest.raises(EvidenceError, match=told):
            read_evidence(path)


def test_what_was_measured_under_load_holds_while_the_machine_is_the_same() -> None:
    before = evidence_of(GOOD)
    text = msgspec.json.encode(before).decode()
    assert state_before(text) == before.state
    light = {name: said for name, said in printed(GOOD).items() if name not in {"diagnosis", "all_reduce", "smi_after"}}
    later = {**light, "at": (0, "2026-11-22T12:00:00Z\n")}
    again = make_evidence(collected(later), GOOD.expected, host="h", before=text)
    assert again.accepted
    assert (again.at, again.loaded_at) == ("2026-11-22T12:00:00Z", before.at)

    other = {**later, "state": (0, "another\n")}
    assert not make_evidence(collected(other), GOOD.expected, host="h", before=text).accepted
    assert not make_evidence(collected(later), GOOD.expected, host="h", before="").accepted
    # What can be seen without load is looked at each time.
    xid = {**later, "kernel": printed(MACHINES["XID 79"])["kernel"]}
    assert not make_evidence(collected(xid), GOOD.expected, host="h", before=text).accepted


def test_a_refused_look_measures_nothing_for_later() -> None:
    refused = msgspec.json.encode(evidence_of(MACHINES["slow all-reduce"])).decode()
    assert state_before(refused) == ""
    assert state_before("") == ""
    assert state_before("{}") == ""


def test_a_verdict_that_is_waived_is_told() -> None:
    slow = MACHINES["slow all-reduce"]
    evidence = make_evidence(collected(printed(slow)), slow.expected, host="h", waived=["all-reduce"])
    assert evidence.accepted
    assert evidence.waived == ("all-reduce",)
    assert ("all-reduce", "note") in {(verdict.what, verdict.state) for verdict in evidence.verdicts}


@pytest.mark.parametrize(
    ("ports", "provider", "no"),
    [
        ("efa0 ACTIVE 200\nefa1 ACTIVE 200\n", (0, "provider: efa\n    fabric: efa\n"), ()),
        ("efa0 ACTIVE 200\nefa1 DOWN 0\n", (0, "provider: efa\n"), ("ports between nodes",)),
        ("efa0 ACTIVE 200\nefa1 ACTIVE 200\n", (61, "fi_getinfo: -61 (No data available)\n"), ("fabric in use",)),
        ("efa0 ACTIVE 200\nefa1 ACTIVE 200\n", (1, "provider: efa\nSegmentation fault\n"), ("fabric in use",)),
        ("", (127, ""), ("ports between nodes", "fabric in use")),
    ],
)
def test_a_fabric_between_nodes_must_be_in_use(ports: str, provider: tuple[int, str], no: tuple[str, ...]) -> None:
    expected = msgspec.structs.replace(GOOD.expected, fabric=Fabric(kind="efa", ports=2))
    outputs = {**printed(GOOD), "ports": (0, ports), "provider": provider}
    verdicts = judge(read_outputs(collected(outputs)), expected)
    assert tuple(verdict.what for verdict in verdicts if verdict.state == "no") == no


def test_a_table_that_lacks_a_gpu_says_nothing_of_its_links() -> None:
    outputs = {**printed(GOOD), "topo": printed(MACHINES["missing GPU"])["topo"]}
    verdicts = judge(read_outputs(collected(outputs)), GOOD.expected)
    assert [verdict.what for verdict in verdicts if verdict.state == "no"] == ["links"]


def test_a_diagnosis_that_skips_everything_is_none() -> None:
    text = printed(GOOD)["diagnosis"][1].replace('"Pass"', '"Skip"')
    verdicts = judge(read_outputs(collected({**printed(GOOD), "diagnosis": (0, text)})), GOOD.expected)
    assert [verdict.what for verdict in verdicts if verdict.state == "no"] == ["diagnosis"]


@pytest.mark.parametrize("cut", ["last line", "a byte", "hash", "form", "at"])
def test_an_answer_that_did_not_come_whole_is_refused(cut: str) -> None:
    text = collected(printed(GOOD))
    changed = {
        "last line": text[: text.rindex("end ")],
        "a byte": text[: len(text) // 2] + "AAAA" + text[len(text) // 2 :],
        "hash": text.replace(" 0 ", " 0 0", 1),
        "form": "sh: base64: not found\n" + text,
        "at": text[text.index("\n") + 1 :],
    }[cut]
    with pytest.raises(OutputsError):
        make_evidence(changed, GOOD.expected, host="h")


def test_a_single_gpu_has_no_links() -> None:
    text = printed(MACHINES["l40s-x1"])["topo"][1]
    assert read_links(text) == {}


@pytest.mark.parametrize("text", ["", "GPU0\tGPU1\nGPU0\tX", "\tGPU0\tGPU1\nGPU0\t X \tNV18\n"])
def test_half_a_table_is_none(text: str) -> None:
    with pytest.raises(ToolError):
        read_links(text)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"DCGM Diagnostic": {}}', "Error: unable to connect to nv-hostengine"]
)
def test_half_a_diagnosis_is_none(text: str) -> None:
    with pytest.raises(ToolError):
        read_diagnosis(text)


@pytest.mark.parametrize(
    "text",
    ["", "<html/>", "<nvidia_smi_log>", '<!DOCTYPE x [<!ENTITY a "b">]><nvidia_smi_log>&a;</nvidia_smi_log>'],
)
def test_what_is_not_the_tools_document_is_refused(text: str) -> None:
    with pytest.raises(SmiError):
        read_smi(text)


def test_older_drivers_name_the_reasons_for_slow_clocks_otherwise() -> None:
    text = printed(MACHINES["too hot under load"])["smi_after"][1].replace(
        "clocks_event_reason", "clocks_throttle_reason"
    )
    assert read_smi(text).gpus[0].throttled == ("too hot (hardware)",)


def test_the_evidence_is_json_that_anybody_can_read() -> None:
    document = json.loads(msgspec.json.encode(evidence_of(GOOD)))
    assert document["accepted"] is True
    assert {"host", "at", "expected", "verdicts", "outputs"} <= set(document)
