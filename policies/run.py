"""Runs rules over a plan, its resources and its rendered files, and says which verdicts stop `up`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import NamedTuple

import msgspec

from planner.plan import Plan, PolicyPlan
from planner.resources import Resource
from policies.controls import Control, control
from policies.files import Files
from policies.finding import Finding, Status, finding_of
from policies.levels import LEVELS, levelled
from policies.live import COMPLETE, STRANGE_FILES
from policies.manifests import Manifests
from policies.rule import PLAN, Answer, Answers, Family, Level, NotKnown, Rule, Scope, Severity, Stack, Violated
from policies.rules import RULES
from policies.waivers import WAIVERS, judge_waivers, waive
from policies.watch import Watch

__all__ = [
    "Card",
    "Finding",
    "Outcome",
    "Status",
    "answered",
    "card",
    "evaluate",
    "evaluate_resource",
    "find",
    "judge",
    "place_of",
    "refusals",
    "rule_of",
]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is shown to a person."""

    id: str
    title: str
    family: Family
    severity: Severity
    level: Level
    levels: tuple[Scope, ...]
    why: str
    remediation: str
    controls: tuple[Control, ...]
    references: tuple[str, ...]
    good: tuple[str, ...]
    """What its examples show that it accepts."""
    bad: tuple[str, ...]
    """What its examples show that it refuses."""


@dataclass(frozen=True)
class Case:
    """Everything that is judged; what is not known is None, and is not judged.

    Attributes:
        stack: the resources, and the plan.
        files: rendered files.
        day: today, for what grows old.
        manifests: of Kubernetes.

    """

    stack: Stack
    files: Files | None
    day: date | None
    manifests: Manifests | None


@dataclass(frozen=True)
class Outcome:
    """What came of running rules.

    Attributes:
        findings: everything that is not as it should be.
        judged: (id of a rule, level) wherever there was something that the rule is about. A rule of which nothing is
            found holds there, and nowhere else.

    """

    findings: tuple[Finding, ...]
    judged: frozenset[tuple[str, Scope]]


def evaluate(
    plan: Plan | None,
    resources: Iterable[Resource],
    rules: tuple[Rule, ...] = RULES,
    *,
    files: Mapping[str, str] | None = None,
    today: date | None = None,
    policy: PolicyPlan | None = None,
    manifests: Mapping[str, str] | Manifests | None = None,
) -> tuple[Finding, ...]:
    """Return what `judge` finds, for whoever asks only what is wrong."""
    return judge(plan, resources, rules, files=files, today=today, policy=policy, manifests=manifests).findings


def judge(
    plan: Plan | None,
    resources: Iterable[Resource],
    rules: tuple[Rule, ...] = RULES,
    *,
    files: Mapping[str, str] | None = None,
    today: date | None = None,
    policy: PolicyPlan | None = None,
    manifests: Mapping[str, str] | Manifests | None = None,
) -> Outcome:
    """Judge a plan, its resources and its files. Where nothing is found of a rule, it holds wherever it judged.

    Args:
        plan: None where it is not known; rules that need it then answer `unknown`. It also says which rules a team
            has lowered, and which violations it answers for.
        resources: as registered, before or after they exist.
        rules: all shipped ones unless somebody has more.
        files: path -> text, as rendered; None where there are none to judge.
        today: the day; None where nobody says: no waiver holds then, and nothing is called old.
        policy: levels and waivers where there is no plan; a plan has its own.
        manifests: of Kubernetes, path -> text, or read already; None where there are none to judge.

    """
    resources, policy = tuple(resources), plan.policy if plan else policy or PolicyPlan()
    found = find(plan, resources, rules, files=files, today=today, policy=policy, manifests=manifests)
    whole = files is not None and plan is not None
    places = (PLAN, "stack", *map(place_of, resources), *(files or {}))
    return replace(found, findings=answered(found.findings, rules, policy, today, places if whole else None))


def find(
    plan: Plan | None,
    resources: Iterable[Resource],
    rules: tuple[Rule, ...],
    *,
    policy: PolicyPlan,
    files: Mapping[str, str] | None = None,
    today: date | None = None,
    manifests: Mapping[str, str] | Manifests | None = None,
) -> Outcome:
    """Return what rules find before anybody's waiver is looked at: for whoever judges a stack in several parts.

    Args:
        plan: None where it is not known.
        resources: as registered.
        rules: that are run.
        policy: says at which level each of them is in force.
        files: path -> text; None where there are none to judge.
        today: the day; None where nobody says.
        manifests: path -> text, or read already; None where there are none to judge.

    """
    case = Case(
        Stack(plan, tuple(resources)),
        None if files is None else Files(files),
        today,
        Manifests(manifests) if isinstance(manifests, Mapping) else manifests,
    )
    in_force, lowered = levelled(rules, policy, today)
    told = [(rule, one) for rule in in_force for one in _evaluate(rule, case)]
    return Outcome(
        findings=(*(finding for _, one in told for finding in one.findings), *lowered),
        judged=frozenset((rule.id, one.level) for rule, one in told if one.about),
    )


def answered(
    findings: tuple[Finding, ...],
    rules: tuple[Rule, ...],
    policy: PolicyPlan,
    today: date | None,
    places: tuple[str, ...] | None,
) -> tuple[Finding, ...]:
    """Return findings with the waived ones marked, and what is wrong with the waivers themselves.

    Args:
        findings: of all parts that were judged.
        rules: every rule.
        policy: has the waivers.
        today: the day; None where nobody says: no waiver holds then.
        places: every place at which something was judged; None where only a part was, so that nobody can say what a
            waiver covers.

    """
    if not policy.waivers:
        return findings
    lowered = frozenset(entry.rule for entry in policy.levels)
    judged = judge_waivers(rules, findings, policy.waivers, today, places=places, lowered=lowered)
    return (*waive(findings, policy.waivers, today), *judged)


def evaluate_resource(
    resource: Resource, rules: tuple[Rule, ...] = RULES, *, policy: PolicyPlan | None = None, today: date | None = None
) -> tuple[Finding, ...]:
    """Judge one resource just before it is created, when its inputs are known.

    Args:
        resource: with the inputs that it will be made with.
        rules: all shipped ones unless somebody has more.
        policy: levels and waivers, from the plan.
        today: the day; None where nobody says: no waiver holds then.

    """
    policy = policy or PolicyPlan()
    in_force, _ = levelled(rules, policy, today)
    findings = tuple(
        finding
        for rule in in_force
        if rule.on_resource is not None
        for finding in _ask(rule, partial(rule.on_resource, resource), resource=resource)[0]
    )
    return waive(findings, policy.waivers, today)


def refusals(findings: Iterable[Finding], *, settled: bool = False) -> tuple[Finding, ...]:
    """Return the findings that stop `up`.

    A broken rule refuses whatever its level: a rule that cannot judge must not pass for one that holds.

    Args:
        findings: what `evaluate` returned.
        settled: the resources exist, so that nothing may be unknown any more.

    """
    stopping = {"violated", "undecidable", "unknown"} if settled else {"violated"}
    return tuple(
        finding
        for finding in findings
        if finding.status == "broken" or (finding.level == "mandatory" and finding.status in stopping)
    )


def card(rule: Rule) -> Card:
    """Return what a person needs to know about a rule.

    Raises:
        KeyError: it names a control that the table of benchmarks does not have.

    """
    return Card(
        id=rule.id,
        title=rule.title,
        family=rule.family,
        severity=rule.severity,
        level=rule.level,
        levels=rule.levels,
        why=rule.why,
        remediation=rule.remediation,
        controls=tuple(map(control, rule.controls)),
        references=rule.references,
        good=tuple(example.shows for example in rule.good),
        bad=tuple(example.shows for example in rule.bad),
    )


def rule_of(finding: Finding, rules: tuple[Rule, ...] = RULES) -> Rule:
    """Return the rule behind a finding.

    Raises:
        KeyError: there is no rule of that id.

    """
    for rule in (*rules, WAIVERS, LEVELS, COMPLETE, STRANGE_FILES):
        if rule.id == finding.rule:
            return rule
    raise KeyError(finding.rule)


class _Told(NamedTuple):
    """What one check told: at which level, what it found, and whether it was handed anything of its kind."""

    level: Scope
    findings: list[Finding]
    about: bool


def _evaluate(rule: Rule, case: Case) -> Iterator[_Told]:
    plan, stack = case.stack.plan, case.stack
    if rule.on_plan is not None and plan is not None:
        yield _Told("plan", *_ask(rule, partial(rule.on_plan, plan), PLAN))
    if rule.on_day is not None and plan is not None and case.day is not None:
        yield _Told("plan", *_ask(rule, partial(rule.on_day, plan, case.day), PLAN))
    if rule.on_resource is not None:
        for resource in stack.resources:
            yield _Told("resources", *_ask(rule, partial(rule.on_resource, resource), resource=resource))
    if rule.on_stack is not None:
        yield _Told("resources", *_ask(rule, partial(rule.on_stack, stack), "stack", watch=stack.watch))
    yield from _of_files(rule, case.files, case.manifests)


def _of_files(rule: Rule, files: Files | None, manifests: Manifests | None) -> Iterator[_Told]:
    if rule.on_files is not None and files is not None:
        yield _Told("files", *_ask(rule, partial(rule.on_files, files), "files", watch=files.watch))
    if rule.on_hosts is not None and files is not None:
        yield _Told("hosts", *_ask(rule, partial(rule.on_hosts, files), "hosts", watch=files.watch))
    if rule.on_manifests is not None and manifests is not None:
        yield _Told("files", *_ask(rule, partial(rule.on_manifests, manifests), "manifests", watch=manifests.watch))


def place_of(resource: Resource) -> str:
    """Return the name of a resource in findings: unique within a stack, and the end of its URN."""
    return f"{resource.type}::{resource.name}"


def _ask(
    rule: Rule,
    check: Callable[[], Answers],
    place: str = "",
    *,
    resource: Resource | None = None,
    watch: Watch | None = None,
) -> tuple[list[Finding], bool]:
    """Return what a check finds, and whether it was about anything: whatever is found, is found of something."""
    findings: list[Finding] = []
    if watch is not None:
        watch.handed = False
    try:
        answers = check()
        findings.extend(_findings(rule, answers or (), place, resource))
    except Exception as error:  # noqa: BLE001 - whatever a rule raises must refuse, and not pass or crash
        where = place_of(resource) if resource else place
        findings.append(finding_of(rule, where, f"the rule failed: {type(error).__name__}: {error}", "broken"))
        return findings, True
    return findings, bool(findings) or (answers is not None and (watch is None or watch.handed))


def _findings(rule: Rule, answers: Iterable[Answer], place: str, resource: Resource | None) -> Iterator[Finding]:
    for answer in answers:
        told = answer if answer.resource or resource is None else replace(answer, resource=resource)
        where = place_of(told.resource) if told.resource else told.file or place
        match told:
            case Violated(message):
                yield finding_of(rule, where, message, "violated")
            case NotKnown(what):
                yield finding_of(rule, where, f"not known yet: {what}", "unknown")
