"""When a stack ends by itself, and what it can have cost by then. The caller gives every moment, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from planner.capacity import moment
from planner.errors import PlanError
from planner.partitions import partition_of
from planner.plan import AlarmPlan, CostPlan, DeadlinePlan, Decision
from planner.profile import LifetimeSection
from planner.tags import STACK_TAG

AT_PERCENT = (50.0, 100.0)
SWITCH_DELAY = timedelta(minutes=2)
"""How long after its time a scheduled action may run (Auto Scaling user guide, scheduled scaling)."""
SHORTEST = timedelta(minutes=15)
"""The switch must be in the account before its time comes: Auto Scaling refuses an action in the past."""
LONGEST = timedelta(days=365)
"""What is to last longer is no ephemeral stack."""


def group_name(stack: str, node: str) -> str:
    """Return the name of the Auto Scaling group that a node with a deadline comes from."""
    return f"cloister-{stack}-{node}"


def switch_name(stack: str, node: str) -> str:
    """Return the name of the scheduled action that ends the node."""
    return f"{group_name(stack, node)}-deadline"


def alarm_name(stack: str) -> str:
    """Return the name of the stack's budget."""
    return f"cloister-{stack}"


def written(until: datetime) -> str:
    """Write a deadline as tags and Auto Scaling have it: ISO 8601, UTC, whole seconds."""
    return until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """How long a stack may live, as somebody asked for it.

    Attributes:
        since: when it was asked for.
        until: the deadline; None where only money limits it.
        max_cost_usd: what its machines may cost on AWS; None for no limit.

    """

    since: datetime
    until: datetime | None = None
    max_cost_usd: float | None = None


def deadline_for(max_cost: float, usd_per_hour: float, now: datetime) -> datetime:
    """Return the last whole minute at which machines can be ended so that they have not cost more than that.

    Args:
        max_cost: USD.
        usd_per_hour: of all machines together.
        now: when the first one may start to be billed.

    Raises:
        PlanError: the money does not last, or lasts longer than a deadline may be away.

    """
    hours = max_cost / usd_per_hour
    if timedelta(hours=min(hours, 10**6)) > LONGEST + SWITCH_DELAY:
        raise PlanError(
            f"{max_cost:.2f} USD last for more than {LONGEST.days} days at {usd_per_hour:.2f} USD per hour",
            hint="Give less, or leave the limit out.",
            code="bad_deadline",
        )
    until = (now + timedelta(hours=hours) - SWITCH_DELAY).replace(second=0, microsecond=0)
    if until < now + SHORTEST:
        raise PlanError(
            f"{max_cost:.2f} USD last for {60 * hours:.0f} minutes at {usd_per_hour:.2f} USD per hour: too short",
            hint=f"A stack needs {(SHORTEST + SWITCH_DELAY).seconds // 60 + 1} minutes at least: allow "
            f"{usd_per_hour * ((SHORTEST + SWITCH_DELAY).seconds // 60 + 1) / 60:.2f} USD, or take fewer machines.",
            code="bad_deadline",
        )
    return until


def worst_case(since: datetime, until: datetime, usd_per_hour: float) -> float:
    """Return what machines cost that run from a moment to the deadline and are ended as late as can be, USD."""
    return round(usd_per_hour * ((until - since + SWITCH_DELAY) / timedelta(hours=1)), 2)


def hours_of(deadline: DeadlinePlan | None) -> float | None:
    """Return how long machines can run until the deadline, ended as late as can be; None without one."""
    return (deadline.until - deadline.since + SWITCH_DELAY) / timedelta(hours=1) if deadline else None


def check_until(until: datetime, now: datetime) -> None:
    """Refuse a deadline that is too near or too far.

    Raises:
        PlanError: it is.

    """
    if until < now + SHORTEST:
        raise PlanError(
            f"the deadline {moment(until)} is too near: it is {moment(now)}",
            hint=f"It must be {SHORTEST.seconds // 60} minutes away at least, so that the switch is in place before.",
            code="bad_deadline",
        )
    if until > now + LONGEST:
        raise PlanError(
            f"the deadline {moment(until)} is more than {LONGEST.days} days away",
            hint="A stack that is to last needs none.",
            code="bad_deadline",
        )


def plan_deadline(
    lifetime: Lifetime | None,
    cost: CostPlan,
    capacity: Literal["on-demand", "reservation", "capacity-block", "spot"],
) -> DeadlinePlan | None:
    """Settle when the stack ends: at the moment that was asked for, or when the money is spent, whichever is first.

    Raises:
        PlanError: money is to be the limit, and there is no price, or nothing that a deadline could save.

    """
    if lifetime is None:
        return None
    machines, until = cost.usd_per_hour_on_aws, lifetime.until
    price = None if machines is None else machines + cost.beside_usd_per_hour_on_aws
    if lifetime.max_cost_usd is not None:
        spent = deadline_for(lifetime.max_cost_usd, _limitable(price, cost, capacity), lifetime.since)
        until = min(until, spent) if until else spent
    if until is None:
        return None
    return DeadlinePlan(
        since=lifetime.since,
        until=until,
        max_cost_usd=lifetime.max_cost_usd,
        worst_case_usd=None if price is None else worst_case(lifetime.since, until, price),
    )


def _limitable(price: float | None, cost: CostPlan, capacity: str) -> float:
    if capacity == "capacity-block":
        raise PlanError(
            "a Capacity Block is paid for already: nothing can limit what it costs",
            hint="Leave --max-cost (`lifetime.max_cost_usd`) out; --ttl still ends the nodes.",
            code="nothing_to_limit",
        )
    if price is None:
        raise PlanError(
            f"what it may cost cannot be limited: {cost.basis}",
            hint="Say how long it may live instead: --ttl 8h.",
            code="no_price",
        )
    return price


def plan_alarm(section: LifetimeSection, deadline: DeadlinePlan | None, region: str) -> AlarmPlan | None:
    """Settle who is told of costs.

    Raises:
        PlanError: nobody says of how much, or the region's partition has no budgets.

    """
    if not section.alarm_emails:
        return None
    if not partition_of(region).budgets:
        raise PlanError(
            f"`lifetime.alarm_emails`: AWS Budgets is not in {partition_of(region).name}, where {region} lies",
            hint="Leave the addresses out, and put a budget into the account that the costs are billed to.",
        )
    if deadline is None or deadline.max_cost_usd is None:
        raise PlanError(
            "`lifetime.alarm_emails`: nobody says of what costs to tell",
            hint="Set `lifetime.max_cost_usd` or --max-cost, or leave the addresses out.",
        )
    return AlarmPlan(limit_usd=deadline.max_cost_usd, at_percent=AT_PERCENT, emails=section.alarm_emails)


def alarm_decisions(alarm: AlarmPlan | None) -> tuple[Decision, ...]:
    """Say who is told of costs, and that nothing is limited by it."""
    if alarm is None:
        return ()
    parts = " and ".join(f"{percent:.0f} %" for percent in alarm.at_percent)
    return (
        Decision(
            what="cost alarm",
            choice=f"mail at {parts} of {alarm.limit_usd:.2f} USD to {', '.join(alarm.emails)}",
            why="an AWS budget is no limit: it tells of costs hours later, and of none before the account's owner has "
            f"activated `{STACK_TAG}` as a cost allocation tag; what ends the machines is the deadline",
        ),
    )


def deadline_decisions(deadline: DeadlinePlan | None, capacity: str) -> tuple[Decision, ...]:
    """Say when the stack ends and how, and what that saves."""
    if deadline is None:
        return ()
    limit = f", as {deadline.max_cost_usd:.2f} USD are then spent" if deadline.max_cost_usd is not None else ""
    ends = Decision(
        what="deadline",
        choice=f"{moment(deadline.until)}{limit}",
        why="nodes come from Auto Scaling groups that are told to go to 0 then before they are told to start anything; "
        "each node shuts itself down as well; `deploy extend` moves it, `deploy reap` takes down the rest",
    )
    notes = {
        "capacity-block": "the block is paid up front: nodes that end sooner save nothing",
        "reservation": "the reservation bills whether it is used or not: it ends with the stack only if it carries the "
        f"stack's tag, `{STACK_TAG}`; whoever else made it cancels it",
    }
    if capacity not in notes:
        return (ends,)
    return (ends, Decision(what="deadline, saving", choice="not the capacity", why=notes[capacity]))
