"""Levels per environment: what a violated rule does there. Lowering a critical rule needs a waiver."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from planner.errors import UsageError
from planner.plan import LevelPlan, PolicyPlan
from policies.finding import Finding, finding_of
from policies.rule import Level, Rule
from policies.waivers import in_force

EVERYWHERE = "all"
"""The table that holds in every environment; the environment's own comes before it."""
HINT = (
    'A table per environment, a table per rule in it: `[production.model-review]`, with level ("mandatory", "advisory" '
    'or "off") and reason. `[all.RULE]` holds everywhere; `deploy policy list` names the rules.'
)


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table: what a rule does, and why."""

    level: Literal["mandatory", "advisory", "off"]
    reason: Annotated[str, Meta(min_length=1, pattern=r"\S")]


LEVELS = Rule(
    id="levels",
    title="No critical rule is lowered without a waiver",
    family="lifecycle",
    severity="critical",
    level="mandatory",
    why=(
        "Whoever can switch a rule off needs no way around it. A critical one is therefore lowered only where a waiver "
        "says who answers for it, and until when."
    ),
    remediation=(
        "Delete the entry in `levels.toml`, or add a waiver of the rule to `waivers.toml`; `deploy policy check "
        "FILE` shows which levels hold."
    ),
    controls=("nist CM-6", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",),
    good=(),
    bad=(),
)
"""What findings about levels carry. It is no rule over stacks, and has its cases in the tests."""


def read_levels(text: str, origin: str, environment: str, rules: Iterable[Rule]) -> tuple[LevelPlan, ...]:
    """Read a file of levels, and return those that hold in an environment.

    Args:
        text: TOML.
        origin: what to call it in messages.
        environment: whose table holds; empty for none but the one that holds everywhere.
        rules: every rule that there is.

    Raises:
        UsageError: it does not fit, names what is no rule, or has no table for the environment.

    """
    try:
        tables = msgspec.convert(tomllib.loads(text), dict[str, dict[str, _Entry]])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{origin}: {error}", hint=HINT, code="levels_invalid") from None
    known = {rule.id for rule in rules}
    for name in {name for table in tables.values() for name in table}:
        if name not in known:
            raise UsageError(f"{origin}: there is no rule {name!r} to set", hint=HINT, code="levels_invalid")
    if environment and environment not in tables:
        raise UsageError(
            f"{origin}: there is no environment {environment!r}, only {', '.join(sorted(tables)) or 'none'}",
            hint=HINT,
            code="levels_invalid",
        )
    held = {**tables.get(EVERYWHERE, {}), **tables.get(environment, {})}
    return tuple(LevelPlan(rule=name, level=entry.level, reason=entry.reason) for name, entry in held.items())


def levelled(
    rules: tuple[Rule, ...], policy: PolicyPlan, today: date | None
) -> tuple[tuple[Rule, ...], tuple[Finding, ...]]:
    """Return the rules that are in force, each at its level, and what is wrong with the levels.

    A critical rule that is lowered without a waiver in force stays as it is.
    """
    if not policy.levels:
        return rules, ()
    wanted = {entry.rule: entry for entry in policy.levels}
    waived = {one.rule for one in policy.waivers if today is not None and in_force(one, "critical", today)}
    kept: list[Rule] = []
    findings: list[Finding] = []
    for rule in rules:
        entry = wanted.get(rule.id)
        if entry is None:
            kept.append(rule)
        elif rule.severity == "critical" and entry.level != "mandatory" and rule.id not in waived:
            kept.append(rule)
            message = f"a critical rule is {_lowered(entry)} without a waiver in force; it stays as it is"
            findings.append(finding_of(LEVELS, f"level of {rule.id}", message, "violated"))
        elif entry.level != "off":
            level: Level = entry.level
            kept.append(replace(rule, level=level))
    return tuple(kept), tuple(findings)


def _lowered(entry: LevelPlan) -> str:
    how = "switched off" if entry.level == "off" else "made advisory"
    return f"{how} ({entry.reason})"
