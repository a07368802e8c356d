"""Waivers and levels: what they cover, what they do not, and that nothing passes by accident."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from planner.errors import UsageError
from planner.plan import LevelPlan, Plan, PolicyPlan, WaiverPlan
from planner.resources import Resource
from policies import examples
from policies.levels import read_levels
from policies.rules import RULES
from policies.run import Finding, evaluate, evaluate_resource, refusals, rule_of
from policies.waivers import MAX_DAYS, read_waivers

TODAY = date(2026, 11, 21)
EIP = examples.resource("aws:ec2/eip:Eip", "a")
OTHER = examples.resource("aws:ec2/eip:Eip", "b")
HARMLESS = examples.resource("aws:kms/alias:Alias", "main")
PLACE = "aws:ec2/eip:Eip::a"
ID = {rule.id: rule for rule in RULES}


def waiver(**changes: Any) -> WaiverPlan:
    usual: dict[str, Any] = {
        "rule": "no-internet-path",
        "resource": PLACE,
        "owner": "network team",
        "reason": "a migration",
        "ticket": "SEC-1",
        "expiry": TODAY + timedelta(days=30),
    }
    return WaiverPlan(**{**usual, **changes})


def planned(*waivers: WaiverPlan, levels: tuple[LevelPlan, ...] = ()) -> Plan:
    return examples.changed(policy=PolicyPlan(waivers=waivers, levels=levels))


def judge(
    plan: Plan, *resources: Resource, rules: tuple[str, ...] = ("no-internet-path",), whole: bool = True
) -> tuple[Finding, ...]:
    files: dict[str, str] | None = {} if whole else None
    return evaluate(plan, resources, tuple(ID[name] for name in rules), files=files, today=TODAY)


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.status) for finding in findings]


def test_a_waiver_covers_its_violation_and_says_who_answers() -> None:
    findings = judge(planned(waiver()), EIP)
    assert told(findings) == [("no-internet-path", "waived")]
    assert "network team" in findings[0].message
    assert "SEC-1" in findings[0].message
    assert refusals(findings, settled=True) == ()


def test_without_it_the_same_is_refused() -> None:
    assert refusals(judge(planned(), EIP))


def test_a_waiver_covers_no_other_resource_and_no_other_rule() -> None:
    assert [finding.resource for finding in refusals(judge(planned(waiver()), EIP, OTHER))] == ["aws:ec2/eip:Eip::b"]
    assert refusals(judge(planned(waiver(rule="least-privilege")), EIP))


@pytest.mark.parametrize(("days", "status"), [(-1, "violated"), (0, "waived"), (MAX_DAYS, "waived")])
def test_it_holds_to_the_end_of_its_last_day(days: int, status: str) -> None:
    findings = judge(planned(waiver(expiry=TODAY + timedelta(days=days))), EIP)
    assert findings[0].status == status
    assert [finding.rule for finding in findings[1:]] == (["waivers"] if status == "violated" else [])
    if status == "violated":
        assert "expired" in findings[1].message
        assert refusals(findings)


def test_one_that_is_too_long_does_not_hold() -> None:
    findings = judge(planned(waiver(expiry=TODAY + timedelta(days=MAX_DAYS + 1))), EIP)
    assert told(findings) == [("no-internet-path", "violated"), ("waivers", "violated")]
    assert str(MAX_DAYS) in findings[1].message


def test_a_low_rule_may_be_waived_for_longer() -> None:
    long = waiver(rule="no-api-pages", resource="plan", expiry=TODAY + timedelta(days=300))
    plan = examples.engine_with()
    policy = PolicyPlan(waivers=(long,))
    plan = examples.changed(engine={"args": plan.engine.args}, services=plan.services, policy=policy)
    findings = judge(plan, rules=("no-api-pages",))
    assert {finding.status for finding in findings} == {"waived"}


def test_an_unused_one_is_a_finding_and_does_not_refuse() -> None:
    findings = judge(planned(waiver()), HARMLESS)
    assert told(findings) == [("waivers", "violated")]
    assert "unused" in findings[0].message
    assert refusals(findings) == ()
    assert rule_of(findings[0]).id == "waivers"


def test_one_that_is_broader_than_needed_is_a_finding() -> None:
    findings = judge(planned(waiver(resource="*")), EIP, HARMLESS)
    assert told(findings) == [("no-internet-path", "waived"), ("waivers", "violated")]
    assert "broader" in findings[1].message
    assert PLACE in findings[1].message
    assert told(judge(planned(waiver(resource="*Eip::*")), EIP, OTHER, HARMLESS)) == [
        ("no-internet-path", "waived"),
        ("no-internet-path", "waived"),
    ]


def test_where_only_a_part_is_judged_nobody_calls_a_waiver_unused() -> None:
    assert judge(planned(waiver()), HARMLESS, whole=False) == ()


def test_a_broken_rule_is_never_waived() -> None:
    wrong = examples.resource("aws:ec2/routeTable:RouteTable", "t", routes="all")
    cover = waiver(resource="aws:ec2/routeTable:RouteTable::t")
    findings = judge(planned(cover), wrong)
    assert findings[0].status == "broken"
    assert refusals(findings)


def test_without_a_day_no_waiver_holds() -> None:
    assert refusals(evaluate(planned(waiver()), (EIP,), (ID["no-internet-path"],)))


def test_a_resource_is_waived_when_it_is_made_as_well() -> None:
    policy = PolicyPlan(waivers=(waiver(),))
    assert refusals(evaluate_resource(EIP, policy=policy, today=TODAY)) == ()
    assert refusals(evaluate_resource(OTHER, policy=policy, today=TODAY))


def level(rule: str, to: Any) -> LevelPlan:
    return LevelPlan(rule=rule, level=to, reason="because")


def test_a_level_is_lowered_and_raised() -> None:
    role = examples.resource("aws:iam/role:Role", "node", name="cloister-x", maxSessionDuration=43200)
    for to, refused in (("mandatory", 1), ("advisory", 0), ("off", 0)):
        findings = judge(planned(levels=(level("short-role-sessions", to),)), role, rules=("short-role-sessions",))
        assert len(refusals(findings)) == refused
        assert len(findings) == (to != "off")
    raised = examples.changed(target="aws", policy=PolicyPlan(levels=(level("owner-named", "mandatory"),)))
    assert refusals(judge(raised, rules=("owner-named",)))


@pytest.mark.parametrize("to", ["advisory", "off"])
def test_a_critical_rule_is_lowered_only_under_a_waiver(to: str) -> None:
    alone = judge(planned(levels=(level("no-internet-path", to),)), EIP)
    assert [finding.rule for finding in refusals(alone)] == ["no-internet-path", "levels"]
    assert rule_of(alone[-1]).severity == "critical"
    under = judge(planned(waiver(), levels=(level("no-internet-path", to),)), EIP)
    assert refusals(under) == ()
    ended = waiver(expiry=TODAY - timedelta(days=1))
    assert "levels" in {finding.rule for finding in judge(planned(ended, levels=(level("no-internet-path", to),)), EIP)}


WAIVER = """
[[waiver]]
rule = "no-internet-path"
resource = "aws:ec2/eip:Eip::a"
owner = "network team"
reason = "a migration"
ticket = "SEC-1"
expiry = 2026-12-21
"""


def test_waivers_are_read() -> None:
    assert read_waivers(WAIVER, "waivers.toml", RULES) == (waiver(expiry=date(2026, 12, 21)),)
    assert read_waivers("", "waivers.toml", RULES) == ()


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (WAIVER.replace("no-internet-path", "no-such-rule"), "no-such-rule"),
        (WAIVER.replace('owner = "network team"', ""), "owner"),
        (WAIVER.replace('reason = "a migration"', 'reason = " "'), "reason"),
        (WAIVER.replace('ticket = "SEC-1"', 'ticket = ""'), "ticket"),
        (WAIVER.replace("2026-12-21", '"never"'), "expiry"),
        (WAIVER + 'level = "off"\n', "level"),
        (WAIVER.replace("[[waiver]]", "[[waivers]]"), "waivers"),
        ("[[waiver]\n", "waivers.toml"),
    ],
)
def test_a_faulty_waiver_is_an_error(spoilt: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_waivers(spoilt, "waivers.toml", RULES)
    assert said in raised.value.message
    assert raised.value.hint


LEVELS = """
[all.owner-named]
level = "off"
reason = "the account has its own tags"
[production.owner-named]
level = "mandatory"
reason = "somebody must answer"
[production.model-review]
level = "mandatory"
reason = "the board asks for it"
"""


def test_levels_are_those_of_the_environment_before_those_of_all() -> None:
    found = {entry.rule: entry.level for entry in read_levels(LEVELS, "levels.toml", "production", RULES)}
    assert found == {"owner-named": "mandatory", "model-review": "mandatory"}
    assert {entry.rule: entry.level for entry in read_levels(LEVELS, "l", "", RULES)} == {"owner-named": "off"}


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        (LEVELS, "staging", "staging"),
        (LEVELS.replace("model-review", "no-such-rule"), "production", "no-such-rule"),
        (LEVELS.replace('"off"', '"low"'), "", "low"),
        (LEVELS.replace('reason = "the board asks for it"', 'reason = ""'), "production", "reason"),
        ("[all", "", "levels.toml"),
    ],
)
def test_faulty_levels_are_an_error(text: str, environment: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_levels(text, "levels.toml", environment, RULES)
    assert said in raised.value.message
