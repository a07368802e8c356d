"""Findings turned round: a verdict for every rule, waiver and control, also for those of which nothing was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from fnmatch import fnmatchcase

from lifecycle.evidence.records import ControlState, RuleVerdict, Verdict, WaiverState
from planner.plan import PolicyPlan, WaiverPlan
from policies.controls import benchmarks, control
from policies.levels import levelled
from policies.live import COMPLETE, STRANGE_FILES
from policies.rule import Rule
from policies.rules import RULES
from policies.run import Finding
from policies.waivers import in_force

LIVE = "live"
"""Where an audit's own rules judge."""
OF_AUDITS = (COMPLETE, STRANGE_FILES)
WORST_FIRST: tuple[Verdict, ...] = (
    "broken",
    "violated",
    "undecidable",
    "unknown",
    "waived",
    "off",
    "not judged",
    "holds",
    "not applicable",
)


def rule_verdicts(
    rules: tuple[Rule, ...],
    findings: tuple[Finding, ...],
    policy: PolicyPlan,
    day: date,
    *,
    looked_at: Collection[str],
    judged: Collection[tuple[str, str]],
    unread: Collection[str],
    versions: dict[str, str],
) -> tuple[RuleVerdict, ...]:
    """Return each rule with its verdict.

    Args:
        rules: all that there are, the audit's own among them where one was made.
        findings: what came of those in force.
        policy: of the plan; it may switch rules off.
        day: on which they were judged.
        looked_at: levels at which there was anything.
        judged: (id of a rule, level) wherever there was something that the rule is about.
        unread: levels at which something could not be read: no rule holds there, or is about something else.
        versions: id of a rule -> SHA-256 of its file.

    """
    force = {rule.id: rule for rule in levelled(rules, policy, day)[0]}
    shipped = {rule.id for rule in (*RULES, *OF_AUDITS)}
    found: dict[str, set[str]] = {}
    for finding in findings:
        found.setdefault(finding.rule, set()).add(finding.status)
    verdicts = []
    for rule in rules:
        at = (LIVE,) if rule in OF_AUDITS else tuple(level for level in rule.levels if (rule.id, level) in judged)
        silent = _of_silence({*rule.levels}, at, {*looked_at}, {*unread})
        verdict = _worst((*found.get(rule.id, ()), silent)) if rule.id in force else "off"
        verdicts.append(
            RuleVerdict(
                id=rule.id,
                title=rule.title,
                family=rule.family,
                severity=rule.severity,
                level=force.get(rule.id, rule).level,
                sha256=versions[rule.id],
                origin="shipped" if rule.id in shipped else "team",
                judged=at,
                verdict=verdict,
                controls=rule.controls,
            )
        )
    return tuple(verdicts)


def _of_silence(levels: set[str], at: tuple[str, ...], looked_at: set[str], unread: set[str]) -> Verdict:
    """Return the verdict on a rule of which nothing was found: it holds only where it had something to judge."""
    if levels & unread:
        return "undecidable"
    if at:
        return "holds"
    return "not applicable" if levels <= looked_at else "not judged"


def waiver_states(
    rules: Iterable[Rule], policy: PolicyPlan, findings: tuple[Finding, ...], day: date
) -> tuple[WaiverState, ...]:
    """Return each waiver with what it covers.

    Args:
        rules: all that there are.
        policy: of the plan.
        findings: with the waived ones among them.
        day: on which they were judged.

    """
    severities = {rule.id: rule.severity for rule in rules}
    return tuple(
        WaiverState(
            rule=waiver.rule,
            resource=waiver.resource,
            owner=waiver.owner,
            reason=waiver.reason,
            ticket=waiver.ticket,
            expiry=waiver.expiry,
            in_force=in_force(waiver, severities[waiver.rule], day),
            covers=sum(_is_waived_by(waiver, finding) for finding in findings),
        )
        for waiver in policy.waivers
    )


def control_states(rules: tuple[RuleVerdict, ...]) -> tuple[ControlState, ...]:
    """Return every control that a rule serves, in the order of the table of benchmarks."""
    serving: dict[str, list[RuleVerdict]] = {}
    for rule in rules:
        for name in rule.controls:
            serving.setdefault(name, []).append(rule)
    known = [f"{name} {number}" for name, benchmark in benchmarks().items() for number in benchmark.controls]
    return tuple(
        ControlState(
            control=control(name),
            rules=tuple(rule.id for rule in serving[name]),
            verdict=_worst(rule.verdict for rule in serving[name]),
        )
        for name in known
        if name in serving
    )


def _is_waived_by(waiver: WaiverPlan, finding: Finding) -> bool:
    fits = waiver.rule == finding.rule and fnmatchcase(finding.resource, waiver.resource)
    return finding.status == "waived" and fits


def _worst(verdicts: Iterable[str]) -> Verdict:
    found = set(verdicts)
    return next(verdict for verdict in WORST_FIRST if verdict in found)
