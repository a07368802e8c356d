"""Somebody has looked for new weaknesses lately."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from planner.advisories import load_advisories
from planner.plan import Plan
from policies import examples
from policies.rule import Answer, Example, Rule, Violated

LONGEST_DAYS = 90


def on_day(_: Plan, today: date) -> Iterator[Answer]:
    """Judge the age of the table of advisories."""
    checked = load_advisories().checked
    if (today - checked).days > LONGEST_DAYS:
        yield Violated(f"the table of advisories was last checked on {checked}: newer weaknesses are not in it")


_CHECKED = load_advisories().checked

RULE = Rule(
    id="advisories-current",
    title="The table of advisories was checked within 90 days",
    family="supply-chain",
    severity="low",
    level="advisory",
    why=(
        "A table that nobody reads through any more calls every version sound. An intruder reads the advisories "
        "that are not in it."
    ),
    remediation=(
        "Update the toolkit, or read the sources and `planner/catalogue/advisories.toml`; see `deploy version`."
    ),
    controls=("nist RA-5", "iso27001 A.8.8", "soc2 CC7.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/40/r4/final",),
    good=(
        Example("on the day", plan=examples.plan(), day=_CHECKED),
        Example("three months later", plan=examples.plan(), day=_CHECKED + timedelta(days=LONGEST_DAYS)),
    ),
    bad=(
        Example("a day more", plan=examples.plan(), day=_CHECKED + timedelta(days=LONGEST_DAYS + 1)),
        Example("a year later", plan=examples.plan(), day=_CHECKED + timedelta(days=365)),
    ),
    on_day=on_day,
)
