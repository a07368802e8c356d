"""GPU hosts before anything serves: driver in lockstep, acceptance with evidence, figures on loopback.

The host is real, its GPUs are not: stand-ins named so print what the programs of such machines would.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.acceptance import Accepted, Play, accept, variables_of
from lifecycle.hosts.gpus.evidence import read_evidence
from lifecycle.hosts.playbook import Outcome, PlaybookError, play
from planner.catalogue import load_catalogue
from planner.progress import Silent
from tests.hosts import gpu_programs
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine as Host
from tests.hosts.test_prepare import inventory, login, snapshot
from tests.lifecycle.gpus.machines import machines
from tests.templates.stacks import plan_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hosts"), pytest.mark.timeout(420)]

MACHINES = machines()
EIGHT = plan_of("8xh200", target="aws")
"""A plan whose hosts have eight H200 SXM."""
IN_A_LAB: dict[str, Any] = {
    "nvidia_pci_folder": gpu_programs.PCI,
    "nvidia_packages_folder": gpu_programs.PACKAGES,
    "dcgm_exporter_packages_folder": gpu_programs.PACKAGES,
}
EVIDENCE = "/var/lib/cloister/evidence/gpus.json"


@pytest.fixture(scope="module")
def host(can_boot: None) -> Iterator[Host]:
    """Boot a host that has the programs of a GPU server, a driver among them, and no fabric manager yet."""
    with Lab() as lab:
        host = lab.host("bookworm")
        gpu_programs.place_programs(host)
        gpu_programs.become(host, MACHINES["h200-sxm-x8"])
        gpu_programs.place_bus(host, gpus=8, switches=4)
        yield host


def roles(host: Host, tmp_path: Path, *parts: str, check: bool = False, **values: Any) -> Outcome:
    variables = {
        **variables_of(EIGHT, load_catalogue()),
        **IN_A_LAB,
        "gpu_acceptance_fetch_to": str(tmp_path),
        **values,
    }
    return play("accept", inventory(host), login(host, tmp_path), variables, Silent(), parts=parts, check=check)


def playing(host: Host, tmp_path: Path) -> Play:
    return lambda playbook, variables: play(playbook, inventory(host), login(host, tmp_path), variables, Silent())


def test_nothing_happens_where_no_gpu_is_planned(host: Host, tmp_path: Path) -> None:
    before = snapshot(host)
    done = accept(playing(host, tmp_path), [host.name], plan_of("8xh200"), load_catalogue(), evidence=tmp_path)
    assert done == Accepted()
    assert play("accept", inventory(host), login(host, tmp_path), {}, Silent()).changed == 0
    assert snapshot(host) == before
    assert gpu_programs.calls(host) == []


def test_a_bundle_without_the_fabric_manager_is_refused_before_anything_is_installed(
    host: Host, tmp_path: Path
) -> None:
    before = host.run("dpkg-query", "--show").stdout
    with pytest.raises(
        PlaybookError, match=r"driver 595\.71\.05 and fabric manager none: both need exactly one version"
    ):
        roles(host, tmp_path)
    assert host.run("dpkg-query", "--show").stdout == before
    assert not (host.root / EVIDENCE.lstrip("/")).exists()


def test_a_good_host_is_brought_in_order_accepted_and_watched(host: Host, tmp_path: Path) -> None:
    version = "595.71.05"
    manager = gpu_programs.FABRIC_MANAGER.format(version=version)
    unit = {"/lib/systemd/system/nvidia-fabricmanager.service": gpu_programs.FABRIC_MANAGER_UNIT}
    gpu_programs.package(host, "nvidia-fabricmanager", f"{version}-1", {"/usr/bin/nv-fabricmanager": manager, **unit})
    gpu_programs.package(host, "dcgm-exporter", "4.8.3", {"/usr/bin/dcgm-exporter": gpu_programs.EXPORTER})
    checked = roles(host, tmp_path, check=True)
    assert any("+IPAddressDeny=any" in diff.text for diff in checked.diffs)
    assert not (host.root / "usr/bin/nv-fabricmanager").exists()

    done = accept(
        playing(host, tmp_path), [host.name], EIGHT, load_catalogue(), evidence=tmp_path / "evidence", choices=IN_A_LAB
    )
    assert done.changed > 5
    found = done.evidence[host.name]
    assert found.accepted
    assert {output.name for output in found.outputs} >= {"smi", "topo", "fabric", "kernel", "diagnosis", "all_reduce"}
    kept = host.root / EVIDENCE.lstrip("/")
    assert json.loads(kept.read_text())["host"] == host.name
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert host.run("dpkg-query", "--show", "--showformat=${Status}", "nvidia-fabricmanager").stdout.startswith(
        "hold ok"
    )
    assert host.run("systemctl", "is-active", "nvidia-fabricmanager", check=False).stdout.strip() == "active"

    # The exporter runs as its own user, answers on loopback and nowhere else.
    code = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9400/metrics').read().decode())"
    assert "DCGM_FI_DEV_XID_ERRORS" in host.run("python3", "-c", code).stdout
    listening = [line.split()[3] for line in host.run("ss", "-Hltn").stdout.splitlines() if ":9400" in line]
    assert listening == ["127.0.0.1:9400"]
    shown = host.run(
        "systemctl", "show", "cloister-dcgm-exporter", "--property=User,NoNewPrivileges,ProtectSystem"
    ).stdout
    assert {"User=cloister-dcgm-exporter", "NoNewPrivileges=yes", "ProtectSystem=strict"} <= set(shown.split())

    # Again: nothing changes, and what kept the GPUs busy is not run again while they are the same.
    host.run("sh", "-c", f": >{gpu_programs.FOLDER}/calls")
    again = roles(host, tmp_path)
    assert [result for result in again.results if result.state == "changed"] == []
    assert not [call for call in gpu_programs.calls(host) if call.startswith(("dcgmi", "all_reduce_perf"))]
    later = read_evidence(tmp_path / f"{host.name}.json")
    assert later.accepted
    assert later.loaded_at == found.at


BROKEN = ("missing GPU", "XID 79", "pending remap", "one link is down", "slow all-reduce")
"""Each kind of program says something else; `tests/lifecycle/gpus` has every machine."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_host_is_refused_and_its_evidence_kept(host: Host, tmp_path: Path, name: str) -> None:
    machine = MACHINES[name]
    gpu_programs.become(host, machine)
    with pytest.raises(PlaybookError) as refused:
        roles(host, tmp_path, "gpu_acceptance", gpu_acceptance_again=True)
    assert machine.says in refused.value.message
    assert host.name in refused.value.message
    evidence = read_evidence(tmp_path / f"{host.name}.json")
    assert not evidence.accepted
    assert tuple(verdict.what for verdict in evidence.verdicts if verdict.state == "no") == machine.no


def test_a_fabric_manager_of_another_version_is_refused_by_both_roles(host: Host, tmp_path: Path) -> None:
    gpu_programs.become(host, MACHINES["h200-sxm-x8"])
    other = gpu_programs.FABRIC_MANAGER.format(version="580.126.20")
    gpu_programs.write(host, "/usr/bin/nv-fabricmanager", other, executable=True)
    with pytest.raises(PlaybookError, match=r"fabric manager 580\.126\.20: both need exactly one version"):
        roles(host, tmp_path, "nvidia", nvidia_packages_folder="/nowhere")
    with pytest.raises(PlaybookError, match=r"fabric manager: 580\.126\.20 active.*exactly the driver's version"):
        roles(host, tmp_path, "gpu_acceptance")
