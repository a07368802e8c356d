"""Roles have the boundary and the names that the account's owner asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at

ROLE = "aws:iam/role:Role"
PROFILE = "aws:iam/instanceProfile:InstanceProfile"


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge every role against what the plan says of the account."""
    roles = tuple(stack.of_type(ROLE, PROFILE))
    if stack.plan is None:
        yield from (NotKnown("the plan, which names the account's boundary", role) for role in roles)
        return
    account = stack.plan.account
    for role in roles:
        name, boundary = at(role.inputs, "name"), at(role.inputs, "permissionsBoundary")
        if name is UNKNOWN:
            yield NotKnown("name", role)
        elif not str(name or "").startswith(account.role_name_prefix):
            yield Violated(f"it is named {name or 'by chance'}, not {account.role_name_prefix}...", role)
        if role.type == ROLE and account.permission_boundary and boundary != account.permission_boundary:
            yield Violated(f"its boundary is {boundary or 'missing'}, not {account.permission_boundary}", role)


_BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def _role(**inputs: Any) -> tuple[Resource, ...]:
    return (examples.resource(ROLE, "node", **inputs),)


def _account(boundary: str = "") -> Plan:
    return examples.changed(account={"permission_boundary": boundary})


RULE = Rule(
    id="roles-as-asked",
    title="Roles have the boundary and name that the account asks for",
    family="identity",
    severity="high",
    why=(
        "A role without the account's boundary can be given anything by whoever may write its policy. One with a "
        "name of its own is seen by no rule that the account's owner made for names."
    ),
    remediation=(
        "Set `aws.permission_boundary` and `aws.role_name_prefix`; `deploy iam-policy` allows such roles alone."
    ),
    controls=("nist AC-6", "iso27001 A.8.2", "soc2 CC6.3"),
    references=("https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",),
    good=(
        Example("no boundary asked for", _role(name="cloister-node"), _account()),
        Example("the boundary", _role(name="cloister-node", permissionsBoundary=_BOUNDARY), _account(_BOUNDARY)),
    ),
    bad=(
        Example("no boundary", _role(name="cloister-node"), _account(_BOUNDARY)),
        Example(
            "another one",
            _role(name="cloister-node", permissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"),
            _account(_BOUNDARY),
        ),
        Example("another name", _role(name="admin"), _account()),
        Example("a name by chance", _role(), _account()),
    ),
    on_stack=on_stack,
)
