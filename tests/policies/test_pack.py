"""The same verdicts from Pulumi's own policy server, over gRPC."""

from __future__ import annotations

import contextvars
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.config import CONFIG
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel, Policy
from pulumi_policy.policy import _PolicyAnalyzerServicer
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from planner.plan import Plan, to_json
from planner.resources import UNKNOWN, Resource
from policies import examples, pack
from policies.__main__ import read, today
from policies.rules import RULES
from policies.run import evaluate
from tests.policies.stacks import Record, good_stack, mutants, mutate, preview, settled

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

PACK = pack.Pack(read, today)
ELSEWHERE = {"files", "hosts"}
"""Levels that the engine does not have."""
Verdict = tuple[str, str, str]
"""Rule, status, and what was said."""


@pytest.fixture(scope="module")
def server() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    with serving(PACK.policies(RULES)) as stub:
        yield stub


@contextmanager
def serving(policies: list[Policy]) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = _PolicyAnalyzerServicer(pack.NAME, "0.1.0", policies, EnforcementLevel.ADVISORY)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield analyzer_pb2_grpc.AnalyzerStub(channel)
    server.stop(0).wait()


def wire(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_STRING_VALUE
    if isinstance(value, dict):
        return {key: wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [wire(item) for item in value]
    return value


def struct(value: dict[str, Any]) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    result.update(wire(value))
    return result


def verdicts_of_server(stub: analyzer_pb2_grpc.AnalyzerStub, resources: tuple[Resource, ...]) -> set[Verdict]:
    answers = [
        stub.Analyze(
            analyzer_pb2.AnalyzeRequest(type=r.type, name=r.name, urn=r.urn, properties=struct(dict(r.inputs)))
        )
        for r in resources
    ]
    whole = [
        analyzer_pb2.AnalyzerResource(
            type=r.type,
            name=r.name,
            urn=r.urn,
            properties=struct({**r.inputs, **({"id": r.id} if r.id else {})}),
            dependencies=list(r.dependencies),
        )
        for r in resources
    ]
    answers.append(stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=whole)))
    return {_verdict(diagnostic) for answer in answers for diagnostic in answer.diagnostics}


def _verdict(diagnostic: analyzer_pb2.AnalyzeDiagnostic) -> Verdict:
    name = diagnostic.policyName.removesuffix(pack.STACK_SUFFIX)
    if diagnostic.message.startswith("can't run policy"):
        assert diagnostic.enforcementLevel == analyzer_pb2.ADVISORY
        return name, "unknown", ""
    assert diagnostic.enforcementLevel == analyzer_pb2.MANDATORY
    return name, "violated", diagnostic.message.partition("\n")[2]


def verdicts_in_process(plan: Plan | None, resources: tuple[Resource, ...]) -> set[Verdict]:
    # An engine's resource check does not know dependencies, so that what they settle stays unknown there.
    today = datetime.now(UTC).date()
    alone = tuple(Resource(type=r.type, name=r.name, urn=r.urn, inputs=r.inputs) for r in resources)
    found = [
        *(f for rule in RULES for f in evaluate(None, alone, rules=(replace(rule, on_stack=None, on_plan=None),))),
        *(f for rule in RULES for f in evaluate(plan, resources, (replace(rule, on_resource=None),), today=today)),
    ]
    return {(f.rule, f.status, "" if f.status == "unknown" else f.message) for f in found}


Case = tuple[str, list[Record], dict[str, Any]]
"""What was spoilt, the records, and changes to the plan's network."""


def cases() -> list[Case]:
    spoilt: list[Case] = [(m["mutant"], mutate(good_stack(), m), m.get("plan", {})) for m in mutants()]
    return [("nothing", good_stack(), {}), *spoilt]


every_kind = pytest.mark.parametrize(
    ("exists", "with_plan"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["exists, plan", "exists, no plan", "preview, plan", "preview, no plan"],
)


@every_kind
def test_server_and_process_agree(
    server: analyzer_pb2_grpc.AnalyzerStub, monkeypatch: pytest.MonkeyPatch, *, exists: bool, with_plan: bool
) -> None:
    """A sample of the mutants; the next test takes them all."""
    for case in cases()[::12]:
        agree(server, monkeypatch, case, exists=exists, with_plan=with_plan)


PARTS = 6
"""The server reads the whole stack anew for each rule: in parts, so that none comes near the time limit of a test."""


@pytest.mark.parametrize("part", range(PARTS))
@every_kind
def test_server_and_process_agree_on_every_mutant(
    server: analyzer_pb2_grpc.AnalyzerStub,
    monkeypatch: pytest.MonkeyPatch,
    *,
    exists: bool,
    with_plan: bool,
    part: int,
) -> None:
    for case in cases()[part::PARTS]:
        agree(server, monkeypatch, case, exists=exists, with_plan=with_plan)


def agree(
    server: analyzer_pb2_grpc.AnalyzerStub,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    *,
    exists: bool,
    with_plan: bool,
) -> None:
    name, records, network = case
    changes = {key: tuple(value) if isinstance(value, list) else value for key, value in network.items()}
    plan = examples.plan(**{"client_cidrs": ("10.20.0.0/16",), **changes}) if with_plan else None
    config = {} if plan is None else {f"{pack.NAME}:plan": to_json(plan)}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    forget_config()
    resources = settled(records) if exists else preview(records)
    assert verdicts_of_server(server, resources) == verdicts_in_process(plan, resources), name


def forget_config() -> None:
    """Empty what all threads share: the servicer adds to the configuration and never takes away."""
    contextvars.Context().run(CONFIG.get).clear()


def test_fields_reach_the_engine(server: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = server.GetAnalyzerInfo(empty_pb2.Empty())
    told = {policy.name: policy for policy in info.policies}
    for rule in RULES:
        if {*rule.levels} <= ELSEWHERE:
            continue  # the engine has no rendered files
        policy = told[rule.id if rule.on_resource else rule.id + pack.STACK_SUFFIX]
        assert policy.displayName == rule.title
        assert policy.description == rule.why
        assert policy.remediation_steps == rule.remediation
        assert policy.url == rule.references[0]
        assert analyzer_pb2.PolicySeverity.Name(policy.severity) == f"POLICY_SEVERITY_{rule.severity.upper()}"
        assert analyzer_pb2.EnforcementLevel.Name(policy.enforcementLevel) == rule.level.upper()
    assert len(told) == len(info.policies), "names are unique"


def started(**environment: str) -> set[str]:
    """Start the folder as the engine's Python plugin does, with nothing of ours on the path, and return its rules."""
    given = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."]
    with subprocess.Popen(
        command,
        cwd=ROOT / "policies",
        env={**given, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                info = analyzer_pb2_grpc.AnalyzerStub(channel).GetAnalyzerInfo(empty_pb2.Empty(), timeout=20)
        finally:
            process.terminate()
            process.communicate()
    return {policy.name.removesuffix(pack.STACK_SUFFIX) for policy in info.policies}


SHIPPED = {rule.id for rule in RULES if not {*rule.levels} <= ELSEWHERE} | {pack.WHOLE}


def test_the_folder_runs_as_a_pack() -> None:
    assert started() == SHIPPED


OWN = """
from policies.examples import resource
from policies.rule import Example, Rule, Violated

VPC = "aws:ec2/vpc:Vpc"


def judge(one):
    if one.type == VPC and one.inputs.get("cidrBlock") != "10.7.0.0/16":
        yield Violated("not our range")


RULE = Rule(
    id="our-range", title="Ours", family="network", severity="high", why="One. Two.", remediation="`deploy plan`.",
    controls=("nist SC-7",), references=("https://example.com",), on_resource=judge,
    good=(), bad=(Example("other", (resource(VPC, "x", cidrBlock="10.8.0.0/16"),)),),
)
"""


@pytest.fixture
def own(tmp_path: Path) -> Plan:
    """A plan that names a folder with one rule."""
    (tmp_path / "our_range.py").write_text(OWN)
    return examples.changed(policy={"folders": (str(tmp_path),)})


def configured(plan: Plan) -> str:
    return json.dumps({f"{pack.NAME}:plan": to_json(plan)})


def test_a_teams_own_rules_run_in_the_engine(own: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(PULUMI_CONFIG=configured(own)) == SHIPPED | {"our-range"}
    monkeypatch.setenv("PULUMI_CONFIG", configured(own))
    forget_config()
    with serving(PACK.policies()) as stub:
        found = verdicts_of_server(stub, settled(good_stack()))
    assert ("our-range", "violated", "not our range") in found
    assert not [one for one in found if one[0] == pack.WHOLE]


def test_a_stack_whose_own_rules_are_not_run_is_refused(
    own: Plan, server: analyzer_pb2_grpc.AnalyzerStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", configured(own))
    forget_config()
    said = {one[2] for one in verdicts_of_server(server, settled(good_stack())) if one[0] == pack.WHOLE}
    assert said == {"the plan names rules that are not run here: our-range"}
