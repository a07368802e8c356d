"""Whatever spoils a shipped stack is caught by a rule, or is listed as harmless with its reason."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest

from policies.rules import RULES
from tests.policies.mutation import Depth, Mutant, families, mutants, originals, silent_rules
from tests.policies.preview_program import ENDING, STACKS
from tests.policies.stacks import CASES, Previewed

pytestmark = pytest.mark.slow  # previews every stack, and judges thousands of mutants

WHOLE = "2xh200 on aws"
DEPTHS: dict[str, Depth] = {WHOLE: "place", "2xh200 on sandbox": "value", ENDING: "value"}
"""The rest of the stacks differ little: one mutant of each family is made of them."""
LEAST = 250

CAUGHT: Counter[str] = Counter()
"""Rule -> mutants that it caught, of all stacks that were tried so far in this process."""
TRIED: set[str] = set()


@pytest.mark.parametrize("name", STACKS)
def test_every_mutant_is_caught_or_listed_as_harmless(previewed: Previewed, name: str) -> None:
    missed, feared, blind = judge(previewed, name)
    assert not blind, f"rules catch what they were said not to be about in the sound stack: {blind[:20]}"
    assert not missed, f"{len(missed)} mutants pass: {missed[:20]}"
    assert not feared, f"these are listed as harmless, and caught: {feared[:20]}"


def judge(previewed: Previewed, name: str) -> tuple[list[str], list[str], list[str]]:
    """Return the mutants that nobody catches, those that were said to be harmless and are caught, and those that a rule
    catches which had nothing to judge before the change: where it is spoilt, there was something of its kind."""
    sound = tuple(originals(name, previewed[name]))
    known = frozenset().union(*(original.violations() for original in sound))
    about = frozenset().union(*(original.judged() for original in sound))
    blind: list[str] = []
    missed: list[str] = []
    feared: list[str] = []
    for mutant in mutants(name, previewed[name], DEPTHS.get(name, "family")):
        caught = mutant.violations() - known
        CAUGHT.update({rule for rule, _, _ in caught})
        if not mutant.brings:
            blind += [f"{rule}: {mutant.what}" for rule, _, _ in caught if rule not in about]
        if bool(caught) == bool(mutant.harmless):
            (feared if caught else missed).append(mutant.what)
    TRIED.add(name)
    return missed, feared, blind


def test_every_rule_catches_something_or_says_why_not(previewed: Previewed) -> None:
    """The report names the rules that catch nothing."""
    for name in DEPTHS.keys() - TRIED:
        judge(previewed, name)
    idle = {rule.id for rule in RULES} - set(CAUGHT) - elsewhere()
    assert idle == set(silent_rules()), f"rules that catch no mutant: {sorted(idle)}"


def elsewhere() -> set[str]:
    """Return the rules whose mutants are of host files and manifests: each has to be caught by the rule it names."""
    hosts = tomllib.loads((CASES / "host_mutants.toml").read_text())["group"]
    manifests = tomllib.loads((CASES / "manifest_mutants.toml").read_text())
    return {group["rule"] for group in hosts} | {rule for rules in manifests.values() for rule in rules}


def test_there_are_enough_of_them(previewed: Previewed) -> None:
    made: list[Mutant] = list(mutants(WHOLE, previewed[WHOLE], "value"))
    assert len({mutant.what for mutant in made if not mutant.harmless}) >= LEAST
    assert len(families()) >= 150
    assert all(mutant.harmless.strip() for mutant in made if mutant.harmless)
