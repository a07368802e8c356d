"""The runner: what it reports, what refuses, how fast it is, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from planner.plan import Plan
from planner.resources import Resource
from policies import examples
from policies.docs import page
from policies.rule import Answer, Example, Level, NotKnown, Rule, Stack, Violated
from policies.rules import RULES
from policies.run import Finding, card, evaluate, refusals, rule_of
from tests.policies.stacks import good_stack, settled

ROOT = Path(__file__).parents[2]
VPC = examples.resource("aws:ec2/vpc:Vpc", "main", cidrBlock="10.42.0.0/16")


def trial(level: Level = "mandatory") -> Rule:
    return Rule(
        id="trial",
        title="t",
        family="network",
        severity="low",
        level=level,
        why="w",
        remediation="r",
        controls=("nist SC-7",),
        references=("https://example.test",),
        good=(),
        bad=(),
    )


LOOKS = ("open", "os.listdir", "os.scandir", "os.system", "socket.connect", "socket.getaddrinfo", "subprocess.Popen")
HEARD: list[list[str]] = []
"""Lists that the hook below adds to: one that was set stays for the life of the process."""


def hear(event: str, _: tuple[object, ...]) -> None:
    for heard in HEARD:
        if event in LOOKS:
            heard.append(event)


def test_rules_look_at_nothing_but_what_they_are_handed(tmp_path: Path) -> None:
    files = {
        path: text for rule in RULES for one in (*rule.good, *rule.bad) for path, text in (one.files or {}).items()
    }
    stack, plan, day = settled(good_stack()), examples.plan(), date(2026, 11, 21)
    evaluate(plan, stack, files=files, today=day)  # what is loaded once is loaded now
    sys.addaudithook(hear)
    heard: list[str] = []
    HEARD.append(heard)
    try:
        evaluate(plan, stack, files=files, today=day)
        assert heard == []
        (tmp_path / "x").write_text("heard")
        assert heard == ["open"]
    finally:
        HEARD.remove(heard)


def explode(judged: Resource | Stack | Plan) -> Iterator[Answer]:
    yield Violated("first")
    raise KeyError("surprise")


def explode_at_once(judged: Resource | Stack | Plan) -> list[Answer]:
    raise RuntimeError("no generator")


@pytest.mark.parametrize("check", [explode, explode_at_once])
@pytest.mark.parametrize("level", ["mandatory", "advisory"])
def test_a_rule_that_raises_is_broken_and_refuses(
    check: Callable[[Resource | Stack | Plan], Iterable[Answer]], level: Level
) -> None:
    for broken in (
        replace(trial(level), on_resource=check),
        replace(trial(level), on_stack=check),
        replace(trial(level), on_plan=check),
    ):
        findings = evaluate(examples.plan(), (VPC,), rules=(broken,))
        assert findings[-1].status == "broken"
        assert findings[-1] in refusals(findings)
        assert "surprise" in findings[-1].message or "no generator" in findings[-1].message


def test_advice_does_not_refuse() -> None:
    advice = replace(trial("advisory"), on_resource=lambda resource: [Violated("m"), NotKnown("w")])
    findings = evaluate(None, (VPC,), rules=(advice,))
    assert [finding.status for finding in findings] == ["violated", "unknown"]
    assert refusals(findings, settled=True) == ()


def test_a_wrong_shape_is_broken_not_silent() -> None:
    """Properties of a type no provider would accept must not slip through as 'nothing found'."""
    shapes: tuple[object, ...] = ("0.0.0.0/0", ["0.0.0.0/0"], {"cidrBlocks": []})
    for wrong in shapes:
        group = examples.resource("aws:ec2/securityGroup:SecurityGroup", "g", ingress=wrong)
        assert {finding.status for finding in refusals(evaluate(None, (group,)))} == {"broken"}


def test_findings_are_plain_data() -> None:
    findings = evaluate(None, (examples.resource("aws:ec2/eip:Eip", "a"),))
    text = msgspec.json.encode(findings)
    assert msgspec.json.decode(text, type=tuple[Finding, ...]) == findings
    first = msgspec.to_builtins(findings[0])
    assert first["rule"] == "no-internet-path"
    assert first["resource"] == "aws:ec2/eip:Eip::a"
    assert set(first) == {"rule", "severity", "level", "resource", "message", "remediation", "status"}


def test_card_of_a_finding() -> None:
    finding = evaluate(None, (examples.resource("aws:ec2/eip:Eip", "a"),))[0]
    shown = card(rule_of(finding))
    assert shown.id == finding.rule
    assert shown.severity == "critical"
    assert shown.why
    assert msgspec.json.encode(shown)


def test_sixty_resources_take_less_than_50_ms() -> None:
    plan = examples.plan(client_cidrs=("10.20.0.0/16",), gateway_port=8443)
    resources = (settled(good_stack()) * 2)[:60]
    evaluate(plan, resources)
    best = min(_seconds(plan, resources) for _ in range(5))
    assert best < 0.05, f"{best * 1000:.1f} ms"


def _seconds(plan: Plan, resources: tuple[Resource, ...]) -> float:
    start = time.perf_counter()
    evaluate(plan, resources)
    return time.perf_counter() - start


def test_rules_do_not_import_an_engine() -> None:
    code = "import sys, policies.run, policies.docs; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"pulumi", "pulumi_policy", "grpc", "boto3"} & set(ran.stdout.split())


def test_page_tells_every_rule_and_every_example() -> None:
    text = page()
    for each in RULES:
        assert f"\n## {each.id}\n" in text
        assert each.why in text
        assert each.remediation in text
        assert all(f"- {example.shows}\n" in text for example in (*each.good, *each.bad))


def test_examples_have_names_of_their_own() -> None:
    for each in RULES:
        shown: list[Example] = [*each.good, *each.bad]
        assert len({example.shows for example in shown}) == len(shown)
