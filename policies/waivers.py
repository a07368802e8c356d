"""Waivers: a violation that somebody answers for until a day. They are judged themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from msgspec import Meta

from planner.errors import UsageError
from planner.plan import WaiverPlan
from policies.finding import Finding, finding_of
from policies.rule import Rule, Severity

MAX_DAYS = 90
"""How far ahead a waiver of a high or critical rule may end, in days."""
GRAVE = ("high", "critical")
"""Severities for which that bound holds."""
WILDCARDS = frozenset("*?[")
HINT = (
    "Each `[[waiver]]` has rule, resource, owner, reason, ticket and expiry (a day, 2026-12-31); "
    "`deploy policy list` names the rules, and a finding names its resource."
)
Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]


class _Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[waiver]]`, as it is written."""

    rule: Text
    resource: Text
    owner: Text
    reason: Text
    ticket: Text
    expiry: date


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    waiver: tuple[_Waiver, ...] = ()


WAIVERS = Rule(
    id="waivers",
    title="Waivers are few, narrow, short and in use",
    family="lifecycle",
    severity="medium",
    level="advisory",
    why=(
        "A waiver that nobody ends becomes the rule, and one for everything hides the next violation behind the first. "
        "An intruder needs no hole where a forgotten exception is open."
    ),
    remediation=(
        "Renew, narrow or delete the entry in `waivers.toml`; `deploy policy check FILE` shows what it still covers."
    ),
    controls=("nist CM-6", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",),
    good=(),
    bad=(),
)
"""What findings about waivers carry. It is no rule over stacks, and has its cases in the tests."""


def read_waivers(text: str, origin: str, rules: Iterable[Rule]) -> tuple[WaiverPlan, ...]:
    """Read a file of waivers.

    Args:
        text: TOML.
        origin: what to call it in messages.
        rules: every rule that there is.

    Raises:
        UsageError: it does not fit, or waives what is no rule.

    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{origin}: {error}", hint=HINT, code="waivers_invalid") from None
    known = {rule.id for rule in rules}
    for waiver in file.waiver:
        if waiver.rule not in known:
            raise UsageError(f"{origin}: there is no rule {waiver.rule!r} to waive", hint=HINT, code="waivers_invalid")
    return tuple(WaiverPlan(**msgspec.structs.asdict(waiver)) for waiver in file.waiver)


WAIVED = " (waived until "
"""What the message of a waived finding goes on with."""


def waive(findings: Iterable[Finding], waivers: tuple[WaiverPlan, ...], today: date | None) -> tuple[Finding, ...]:
    """Return the findings, with those that a waiver covers today marked as waived; a broken rule is never waived."""
    if today is None:
        return tuple(findings)
    return tuple(_waived(finding, waivers, today) for finding in findings)


def in_force(waiver: WaiverPlan, severity: Severity, today: date) -> bool:
    """Tell whether a waiver holds today: it has not ended, and it ends soon enough for the rule's severity."""
    days = (waiver.expiry - today).days
    return days >= 0 and (days <= MAX_DAYS or severity not in GRAVE)


def _waived(finding: Finding, waivers: tuple[WaiverPlan, ...], today: date) -> Finding:
    for waiver in waivers:
        if covers(waiver, finding) and in_force(waiver, finding.severity, today):
            answered = f"{finding.message}{WAIVED}{waiver.expiry} by {waiver.owner}, {waiver.ticket})"
            return msgspec.structs.replace(finding, status="waived", message=answered)
    return finding


def covers(waiver: WaiverPlan, finding: Finding) -> bool:
    """Tell whether a waiver is for a finding, whatever the day."""
    return (
        finding.status == "violated" and waiver.rule == finding.rule and fnmatchcase(finding.resource, waiver.resource)
    )


def judge_waivers(
    rules: tuple[Rule, ...],
    findings: tuple[Finding, ...],
    waivers: tuple[WaiverPlan, ...],
    today: date | None,
    *,
    places: tuple[str, ...] | None,
    lowered: frozenset[str],
) -> Iterator[Finding]:
    """Yield what is wrong with the waivers themselves.

    Args:
        rules: every rule.
        findings: before waivers were applied.
        waivers: all of them.
        today: the day; None where nobody says.
        places: every place at which something was judged; None where only a part was, so that nobody can say what a
            waiver covers.
        lowered: rules whose level is set: their waivers are in use whether or not something is violated.

    """
    if today is None:
        return
    severities = {rule.id: rule.severity for rule in rules}
    for waiver in waivers:
        where = f"waiver of {waiver.rule} for {waiver.resource} ({waiver.ticket})"
        if waiver.expiry < today:
            yield finding_of(
                WAIVERS, where, f"it expired on {waiver.expiry}: {waiver.owner} answers for it", "violated"
            )
            continue
        days = (waiver.expiry - today).days
        if severities.get(waiver.rule) in GRAVE and days > MAX_DAYS:
            message = f"it ends in {days} days: a {severities[waiver.rule]} rule is waived for {MAX_DAYS} days at most"
            yield finding_of(WAIVERS, where, f"{message}, so it does not hold", "violated")
        elif places is not None and waiver.rule not in lowered:
            yield from _scope(waiver, where, findings, places)


def _scope(waiver: WaiverPlan, where: str, findings: tuple[Finding, ...], places: tuple[str, ...]) -> Iterator[Finding]:
    """Judge whether a waiver covers anything, and nothing that needs no waiver."""
    covered = {finding.resource for finding in findings if covers(waiver, finding)}
    if not covered:
        yield finding_of(WAIVERS, where, "it is unused: nothing that it covers is violated", "violated")
        return
    beyond = [place for place in places if fnmatchcase(place, waiver.resource) and place not in covered]
    if beyond and WILDCARDS & set(waiver.resource):
        needed = ", ".join(sorted(covered))
        message = f"it is broader than needed: it also covers {beyond[0]}, where the rule holds; name {needed}"
        yield finding_of(WAIVERS, where, message, "violated")
