"""Runs rules over a plan and its resources, and says which verdicts stop `up`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal

import msgspec

from planner.plan import Plan
from planner.resources import Resource
from policies.rule import PLAN, Answer, Level, NotKnown, Rule, Severity, Stack, Violated
from policies.rules import RULES

Status = Literal["violated", "unknown", "broken"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict that is not "holds"; plain data, so that `msgspec.to_builtins` gives its JSON.

    Attributes:
        rule: id of the rule.
        severity: how bad it is.
        level: whether it stops `up`.
        resource: `type::name` of the resource, or `plan`.
        message: what is wrong.
        remediation: what to change.
        status: `violated`; `unknown` when a value is decided only later; `broken` when the rule itself failed.

    """

    rule: str
    severity: Severity
    level: Level
    resource: str
    message: str
    remediation: str
    status: Status


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is shown to a person."""

    id: str
    title: str
    severity: Severity
    level: Level
    why: str
    remediation: str
    references: tuple[str, ...]


def evaluate(plan: Plan | None, resources: Iterable[Resource], rules: tuple[Rule, ...] = RULES) -> tuple[Finding, ...]:
    """Judge a plan and all its resources. No finding means that every rule holds.

    Args:
        plan: None where it is not known; rules that need it then answer `unknown`.
        resources: as registered, before or after they exist.
        rules: all of them unless a test says otherwise.

    """
    stack = Stack(plan, tuple(resources))
    return tuple(finding for rule in rules for finding in _evaluate(rule, stack))


def evaluate_resource(resource: Resource, rules: tuple[Rule, ...] = RULES) -> tuple[Finding, ...]:
    """Judge one resource just before it is created, when its inputs are known."""
    return tuple(finding for rule in rules for finding in _on_resource(rule, resource))


def refusals(findings: Iterable[Finding], *, settled: bool = False) -> tuple[Finding, ...]:
    """Return the findings that stop `up`.

    A broken rule refuses whatever its level: a rule that cannot judge must not pass for one that holds.

    Args:
        findings: what `evaluate` returned.
        settled: the resources exist, so that nothing may be unknown any more.

    """
    stopping = {"violated", "unknown"} if settled else {"violated"}
    return tuple(
        finding
        for finding in findings
        if finding.status == "broken" or (finding.level == "mandatory" and finding.status in stopping)
    )


def card(rule: Rule) -> Card:
    """Return what a person needs to know about a rule."""
    return Card(
        id=rule.id,
        title=rule.title,
        severity=rule.severity,
        level=rule.level,
        why=rule.why,
        remediation=rule.remediation,
        references=rule.references,
    )


def rule_of(finding: Finding) -> Rule:
    """Return the rule behind a finding.

    Raises:
        KeyError: there is no rule of that id.

    """
    for rule in RULES:
        if rule.id == finding.rule:
            return rule
    raise KeyError(finding.rule)


def _evaluate(rule: Rule, stack: Stack) -> Iterator[Finding]:
    if rule.on_plan is not None and stack.plan is not None:
        yield from _findings(rule, partial(rule.on_plan, stack.plan), PLAN)
    for resource in stack.resources:
        yield from _on_resource(rule, resource)
    if rule.on_stack is not None:
        yield from _findings(rule, partial(rule.on_stack, stack), "stack")


def _on_resource(rule: Rule, resource: Resource) -> Iterator[Finding]:
    if rule.on_resource is not None:
        yield from _findings(rule, partial(rule.on_resource, resource), place_of(resource))


def place_of(resource: Resource) -> str:
    """Return the name of a resource in findings: unique within a stack, and the end of its URN."""
    return f"{resource.type}::{resource.name}"


def _findings(rule: Rule, check: Callable[[], Iterable[Answer]], place: str) -> Iterator[Finding]:
    try:
        for answer in check():
            where = place if answer.resource is None else place_of(answer.resource)
            match answer:
                case Violated(message):
                    yield _finding(rule, where, message, "violated")
                case NotKnown(what):
                    yield _finding(rule, where, f"not known yet: {what}", "unknown")
    except Exception as error:  # noqa: BLE001 whatever a rule raises must refuse, and not pass or crash
        yield _finding(rule, place, f"the rule failed: {type(error).__name__}: {error}", "broken")


def _finding(rule: Rule, place: str, message: str, status: Status) -> Finding:
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        level=rule.level,
        resource=place,
        message=message,
        remediation=rule.remediation,
        status=status,
    )
