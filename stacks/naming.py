"""Names and tags: the same for every resource, so that whatever exists can be found by them."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from planner.deadline import written
from planner.plan import Plan
from planner.tags import RESOURCE_TAG, UNTIL_TAG


def tags_of(plan: Plan, name: str) -> dict[str, str]:
    """Return the tags of one resource: the plan's, its name, which resource of the program it is, and its deadline."""
    until = {UNTIL_TAG: written(plan.deadline.until)} if plan.deadline else {}
    return {**lasting_tags(plan, name), **until}


def lasting_tags(plan: Plan, name: str) -> dict[str, str]:
    """Return the same without the deadline, which can be moved: for what would be made anew by a change of its tags."""
    return {**plan.tags, "Name": f"{plan.stack}-{name}", RESOURCE_TAG: name}


def role_name(plan: Plan, role: str) -> str:
    """Return the name of a role, or of its instance profile, as the owner of the account wants it to begin."""
    return f"{plan.account.role_name_prefix}{plan.stack}-{role}"


def child_of(
    parent: pulumi.Resource, *, one_at_a_time: bool = False, holds: Sequence[str] = ()
) -> pulumi.ResourceOptions:
    """Return the options of a component's child.

    Args:
        parent: the component.
        one_at_a_time: its replacement cannot exist beside it (same name, same addresses).
        holds: inputs (as the wire names them) that keep what they name from being deleted, though they can be changed
            in place: when what they name is replaced, this is, too, and goes first.

    """
    return pulumi.ResourceOptions(
        parent=parent, delete_before_replace=one_at_a_time or None, replace_on_changes=[*holds] or None
    )
