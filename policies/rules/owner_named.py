"""Somebody answers for what costs money."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated

NAMES = ("owner", "team", "contact", "cost-center", "costcenter")
"""Keys of tags that say who, in any case and with any punctuation at their ends."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whether a tag says whose the stack is, where somebody pays for it."""
    if not any(key.lower().rpartition(":")[2] in NAMES and value for key, value in plan.tags.items()):
        yield Violated("no tag says who answers for it: none of owner, team, contact and cost-center is set")


def _tags(**tags: str) -> Plan:
    return examples.changed(target="aws", tags=tags)


RULE = Rule(
    id="owner-named",
    title="A tag names who answers for the stack",
    family="lifecycle",
    severity="low",
    level="advisory",
    why=(
        "A stack of whom nobody knows whose it is runs on after its owner has left, unpatched and at tens of "
        "dollars an hour. Nobody dares to take it down."
    ),
    remediation="Set `owner` in the profile's `tags`, and its key in `aws.mandatory_tags`, so that nobody forgets it.",
    controls=("nist CM-8", "iso27001 A.5.9"),
    references=("https://docs.aws.amazon.com/whitepapers/latest/tagging-best-practices/tagging-best-practices.html",),
    good=(
        Example("an owner", plan=_tags(owner="ml-platform")),
        Example("the sandbox, which nobody pays for", plan=examples.plan()),
    ),
    bad=(
        Example("nobody", plan=_tags()),
        Example("an empty name", plan=_tags(owner="")),
    ),
    on_plan=where(lambda plan: plan.target == "aws", on_plan),
)
