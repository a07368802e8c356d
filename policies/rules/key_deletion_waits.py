"""A key that is deleted by mistake can be had back."""

from __future__ import annotations

from collections.abc import Iterator

from planner.resources import Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, Rule
from policies.values import at, is_off, require

KEY = "aws:kms/key:Key"
SHORTEST_DAYS = 7
"""What KMS waits at least; 30 where nothing is said."""


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge how a key can be lost."""
    days = at(resource.inputs, "deletionWindowInDays")
    message = f"it is gone {days} days after somebody deletes it (`deletionWindowInDays`)"
    yield from require(
        days, lambda value: value is None or int(value) >= SHORTEST_DAYS, "deletionWindowInDays", message
    )
    lockout = "bypassPolicyLockoutSafetyCheck"
    message = f"its policy may shut out everybody, so that what it encrypts is lost (`{lockout}`)"
    yield from require(at(resource.inputs, lockout), is_off, lockout, message)
    enabled = at(resource.inputs, "isEnabled")
    yield from require(enabled, lambda value: value not in (False, "false"), "isEnabled", "it is off (`isEnabled`)")


RULE = Rule(
    id="key-deletion-waits",
    title="Keys cannot be lost at once",
    family="encryption",
    severity="medium",
    why=(
        "Whoever deletes a key deletes everything under it, snapshots and copies included. A week is what is left to "
        "notice, and a policy that shuts out everybody leaves none."
    ),
    remediation="Leave `deletionWindowInDays` at seven or more; `deploy plan` shows the verdict.",
    controls=("nist SC-12", "nist CP-10", "iso27001 A.8.24", "soc2 A1.1"),
    references=("https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",),
    good=(
        Example("a week", (examples.resource(KEY, "main", deletionWindowInDays=7),)),
        Example("a month, where nothing is said", (examples.resource(KEY, "main"),)),
    ),
    bad=(
        Example("a day", (examples.resource(KEY, "main", deletionWindowInDays=1),)),
        Example("a policy that nobody checks", (examples.resource(KEY, "main", bypassPolicyLockoutSafetyCheck=True),)),
        Example("a key that is off", (examples.resource(KEY, "main", isEnabled=False),)),
    ),
    on_resource=by_type({KEY: on_resource}),
)
