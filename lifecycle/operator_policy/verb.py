"""`iam-policy` for a profile."""

from __future__ import annotations

from typing import Literal

import msgspec

from lifecycle.exposure.verb import resources_of
from lifecycle.operator_policy.document import IamPolicyReport, audit_policy, operator_policy
from lifecycle.operator_policy.state import state_statements
from lifecycle.pulumi_place import StateChoice
from planner.errors import UsageError
from planner.operator_access import TunnelScope, login_user, tunnel_statements
from planner.plan import Plan
from planner.profile import Profile
from planner.progress import Progress

Purpose = Literal["operator", "audit"]

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Addresses of private networks (RFC 1918)."""


def policy_of(
    plan: Plan,
    profile: Profile,
    account: str,
    progress: Progress,
    *,
    networks: tuple[str, ...] = (),
    buys: bool = False,
    state: StateChoice | None = None,
    purpose: Purpose = "operator",
) -> IamPolicyReport:
    """Return what the operator or a reviewer of a plan needs to be allowed.

    Args:
        plan: made from the profile.
        profile: names the account, if it does.
        account: number of the account; empty for the profile's.
        progress: told what takes a moment.
        networks: whence administrators may open tunnels to the nodes; with none, they sign in with a second factor.
        buys: let Capacity Blocks be bought and extended, which are paid up front.
        state: where a team keeps the stack's state; None for a folder.
        purpose: who it is for: the operator, or somebody who only runs `audit`.

    Raises:
        UsageError: nobody says which account, or the state's key is named in no way that is known.
        PlanError: a network is none, or is every address there is.

    """
    number = account or profile.aws.account
    if not (len(number) == 12 and number.isdecimal()):
        raise UsageError(
            f"{number!r} is no number of an account" if number else "which account? --account NUMBER is missing",
            hint="Twelve digits: `aws sts get-caller-identity` shows them. Or set `aws.account` in the profile.",
            code="no_account_number",
        )
    if purpose == "audit":
        return audit_policy(plan, number)
    with progress.step("resources, imagined"):
        types = types_of(plan)
    more = (
        *tunnel_statements(_scope(plan, number, networks)),
        *state_statements(state or StateChoice(), number, plan.network.region),
    )
    return operator_policy(plan, number, types, more=more, buys=buys)


def types_of(plan: Plan) -> frozenset[str]:
    """Return the types of all that the plan's program registers in the end.

    Nodes with a deadline are started after its first run, and what needs their addresses follows with the second: it is
    what a stack without a deadline has from the beginning.
    """
    plans = [plan, msgspec.structs.replace(plan, deadline=None)] if plan.deadline else [plan]
    return frozenset(resource.type for one in plans for resource in resources_of(one))


def _scope(plan: Plan, account: str, networks: tuple[str, ...]) -> TunnelScope:
    """Say what tunnels are for. Where a company's own subnets lie is known to the account alone: private it must be."""
    return TunnelScope(
        region=plan.network.region,
        account=account,
        stack=plan.stack,
        node_networks=tuple(subnet.cidr for subnet in plan.network.subnets if subnet.cidr) or PRIVATE,
        user=login_user(plan.nodes[0].ami_parameter),
        require_mfa=not networks,
        from_networks=networks,
    )
