"""Rules as people and scripts read them, and the proof of a team's own."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from lifecycle.policies import folder_of, rules_in, sources_in
from planner.errors import UsageError
from policies.proof import faults
from policies.rule import FAMILIES, Family, Level, Rule, Scope, Severity
from policies.rules import RULES


class ListedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `policy list`. `level` is what a violation does, `levels` where the rule judges."""

    id: str
    title: str
    severity: Severity
    family: Family
    level: Level
    levels: tuple[Scope, ...]


class RuleList(msgspec.Struct, frozen=True, kw_only=True):
    """`policy list`."""

    rules: tuple[ListedRule, ...]


class TestedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and what is wrong with it."""

    id: str
    file: str
    faults: tuple[str, ...]


class ProofReport(msgspec.Struct, frozen=True, kw_only=True):
    """`policy test`: `ok` if no rule has a fault."""

    ok: bool
    rules: tuple[TestedRule, ...]


class RulesPage(msgspec.Struct, frozen=True, kw_only=True):
    """`policy docs`."""

    markdown: str


def listed(rules: tuple[Rule, ...], family: str = "") -> RuleList:
    """Return the rules of a family, or all.

    Raises:
        UsageError: there is no such family.

    """
    if family and family not in FAMILIES:
        raise UsageError(
            f"there is no family {family!r}", hint=f"They are {', '.join(FAMILIES)}.", code="unknown_family"
        )
    return RuleList(
        rules=tuple(
            ListedRule(
                id=rule.id,
                title=rule.title,
                severity=rule.severity,
                family=rule.family,
                level=rule.level,
                levels=rule.levels,
            )
            for rule in rules
            if not family or rule.family == family
        )
    )


def named(rules: tuple[Rule, ...], rule_id: str) -> Rule:
    """Return a rule by its id.

    Raises:
        UsageError: there is none.

    """
    by_id = {rule.id: rule for rule in rules}
    if rule_id not in by_id:
        near = difflib.get_close_matches(rule_id, by_id, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"there is no rule {rule_id!r}", hint=f"{hint}`deploy policy list` names them.", code="unknown_rule"
        )
    return by_id[rule_id]


def tested(folders: tuple[str, ...], verbs: frozenset[str]) -> ProofReport:
    """Prove the rules of folders; the shipped ones where none is named.

    Args:
        folders: each holds rules as files.
        verbs: commands that a remediation may name.

    Raises:
        UsageError: a folder or a rule in it cannot be used.

    """
    if folders:
        places = tuple(map(folder_of, folders))
        names = [Path(path).stem for place in places for path, _ in sources_in(place)]
        pairs = list(zip(rules_in(places)[len(RULES) :], names, strict=True))
    else:
        pairs = [(rule, rule.id.replace("-", "_")) for rule in RULES]
    found = tuple(
        TestedRule(id=rule.id, file=f"{file}.py", faults=tuple(faults(rule, file=file, verbs=verbs)))
        for rule, file in pairs
    )
    if not found:
        raise UsageError(
            f"no rule is in {', '.join(folders)}",
            hint="A rule is a file `*.py` that sets `RULE = Rule(...)`.",
            code="no_policies",
        )
    return ProofReport(ok=not any(one.faults for one in found), rules=found)
