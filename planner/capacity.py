"""Where a node's machine comes from: on demand, a reservation, a Capacity Block, or spot; and when it must be left.

Every moment is given by the caller and is in UTC: nothing here knows what time it is. Rules of Capacity Blocks are
those of the AWS EC2 user guide (capacity-blocks-how, capacity-blocks-using, capacity-blocks-extend).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from planner.errors import DeployError, PlanError
from planner.plan import Decision, NodePlan
from planner.profile import AwsSection, Profile

RECLAIM_BEFORE = timedelta(minutes=30)
"""AWS begins to terminate a block's instances so long before its end, which is at 11:30 UTC."""
EXTEND_BEFORE = timedelta(hours=1)
"""An extension is bought at least so long before the end."""
PAY_BEFORE = timedelta(minutes=35)
"""AWS must have been able to charge for it so long before the end."""
WIND_DOWN = timedelta(minutes=10)
"""From the last answer to the first terminated instance: records and logs leave the node."""
AHEAD = timedelta(weeks=8)
"""A block starts at most so far ahead."""
MOST_INSTANCES = 64
"""Instances of one block."""
BLOCK_FAMILIES = ("p4d", "p5", "p6")
"""Beginnings of the instance types that Capacity Blocks are sold of."""
_LONGEST_DAYS, _BY_DAY, _STEP_DAYS = 182, 14, 7


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is left before AWS takes it.

    Attributes:
        extend_until: last moment at which the block can be extended.
        stop_taking_at: new requests are refused from then on; those under way go on.
        last_answer_at: the longest request that was taken has ended.
        reclaim_at: AWS begins to terminate instances.
        end: the block ends.

    """

    extend_until: datetime
    stop_taking_at: datetime
    last_answer_at: datetime
    reclaim_at: datetime
    end: datetime


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation or Capacity Block as the account has it.

    Attributes:
        kind: `capacity-block` has an end and was paid up front; a `reservation` bills by the hour until cancelled.
        state: as EC2 writes it, for example `active` or `scheduled`.
        total: instances.
        available: those of them that nothing runs on.
        end: None for a reservation that ends when it is cancelled.

    """

    id: str
    kind: Literal["reservation", "capacity-block"]
    state: str
    instance_type: str
    zone: str
    total: int
    available: int
    start: datetime
    end: datetime | None


def check_length(hours: int) -> None:
    """Refuse a length that Capacity Blocks do not have.

    Raises:
        DeployError: it is neither 1 to 14 days nor a multiple of 7 days up to 182.

    """
    days, rest = divmod(hours, 24)
    if rest or not (1 <= days <= _BY_DAY or (_BY_DAY < days <= _LONGEST_DAYS and days % _STEP_DAYS == 0)):
        raise DeployError(
            f"no Capacity Block is {hours} hours long",
            hint="They last 1 to 14 days, or a multiple of 7 days up to 182: --hours 24, 48, ... 336, 504, ... 4368.",
            code="bad_block_length",
        )


def drain(end: datetime, request_timeout_s: int) -> Drain:
    """Plan how a Capacity Block's nodes are left.

    Args:
        end: of the block.
        request_timeout_s: longest time for a whole request, in seconds: what is taken before the drain still ends.

    """
    reclaim_at = end - RECLAIM_BEFORE
    last_answer_at = reclaim_at - WIND_DOWN
    return Drain(
        extend_until=end - EXTEND_BEFORE,
        stop_taking_at=last_answer_at - timedelta(seconds=request_timeout_s),
        last_answer_at=last_answer_at,
        reclaim_at=reclaim_at,
        end=end,
    )


def check_extendable(held: Held, now: datetime) -> datetime:
    """Return the end of a block that can still be extended.

    Raises:
        DeployError: it is no block, or it is too late.

    """
    if held.kind != "capacity-block" or held.end is None:
        raise DeployError(
            f"{held.id} is no Capacity Block: it goes on until it is cancelled",
            hint="Only Capacity Blocks are extended.",
            code="not_a_block",
        )
    last = held.end - EXTEND_BEFORE
    if held.state not in {"active", "scheduled"}:
        raise DeployError(
            f"{held.id} is {held.state}: it cannot be extended",
            hint="`deploy capacity find` lists new blocks.",
            code="cannot_extend",
        )
    if now > last:
        raise DeployError(
            f"{held.id} ends at {moment(held.end)}; AWS extended it until {moment(last)}",
            hint=f"It is {moment(now)}. `deploy capacity find` lists new blocks.",
            code="cannot_extend",
        )
    return held.end


def check_held(held: Held, nodes: tuple[NodePlan, ...], zones: tuple[str, ...], now: datetime) -> None:
    """Refuse capacity that the plan's nodes cannot be launched into now.

    Args:
        held: what the account has under the id that the plan names.
        nodes: the plan's nodes that are still to be launched.
        zones: availability zone of each of them.
        now: the present moment.

    Raises:
        DeployError: it is not begun or over, is of another kind, type or zone, or has too little left.

    """
    if not nodes:
        return
    wanted = nodes[0]
    if held.kind != wanted.capacity:
        raise _refused(
            f'{held.id} is a {held.kind}, and the profile says `aws.capacity = "{wanted.capacity}"`',
            f'Set `aws.capacity = "{held.kind}"`.',
        )
    if held.instance_type != wanted.instance_type:
        raise _refused(
            f"{held.id} holds {held.instance_type}, the plan needs {wanted.instance_type}",
            f'Set `aws.instance_type = "{held.instance_type}"`, or name another reservation.',
        )
    strangers = sorted(set(zones) - {held.zone})
    if strangers:
        raise _refused(
            f"{held.id} is in {held.zone}, the plan's nodes in {', '.join(strangers)}",
            f'Set `aws.zone = "{held.zone}"` and `network.zones = 1`.',
        )
    _check_time(held, now)
    if held.available < len(nodes):
        raise _refused(
            f"{held.id} has {held.available} of {held.total} instances left, the plan needs {len(nodes)}",
            "Take down what runs in it, or name another reservation.",
        )


def _check_time(held: Held, now: datetime) -> None:
    if now < held.start:
        raise _refused(
            f"{held.id} starts at {moment(held.start)}, in {_span(held.start - now)}",
            "Run the command again then: nothing was created.",
        )
    reclaim = held.end - RECLAIM_BEFORE if held.end and held.kind == "capacity-block" else held.end
    if reclaim and held.end and now >= reclaim:
        over = "has ended" if now >= held.end else "is about to end, and AWS takes its instances back"
        raise _refused(
            f"{held.id} {over}: it ran from {moment(held.start)} to {moment(held.end)}, instances until "
            f"{moment(reclaim)}",
            "`deploy capacity find` lists new blocks."
            if held.kind == "capacity-block"
            else "Make a new reservation, and name it as `aws.reservation_id`.",
        )
    if held.state != "active":
        raise _refused(
            f"{held.id} is {held.state}", "Name one that is active; `deploy capacity show` tells the state of each."
        )


def _refused(message: str, hint: str) -> DeployError:
    return DeployError(message, hint=hint, code="capacity_refused")


def check_choice(profile: Profile, instance_type: str) -> None:
    """Refuse a way to have machines that does not go with the profile.

    Raises:
        PlanError: spot for what is to last, a reservation missing or unused, or a type that has no blocks.

    """
    aws = profile.aws
    if aws.capacity == "spot" and profile.purpose != "proof-of-concept":
        raise PlanError(
            '`aws.capacity = "spot"`: AWS takes spot machines back with two minutes\' notice',
            hint='Say `purpose = "proof-of-concept"` if the stack may be gone any moment; else take other capacity.',
            code="spot_refused",
        )
    if aws.capacity in {"on-demand", "spot"} and aws.reservation_id:
        raise PlanError(
            f'`aws.reservation_id`: {aws.reservation_id} is not used with `aws.capacity = "{aws.capacity}"`',
            hint='Set `aws.capacity` to "reservation" or "capacity-block", or leave the id out.',
        )
    if aws.capacity in {"reservation", "capacity-block"} and not aws.reservation_id:
        raise PlanError(
            f'`aws.reservation_id` is needed with `aws.capacity = "{aws.capacity}"`',
            hint="Name the reservation or capacity block: cr-0123456789abcdef0. `deploy capacity find` lists blocks.",
        )
    if aws.capacity == "capacity-block":
        check_has_blocks(instance_type)


def check_has_blocks(instance_type: str) -> None:
    """Refuse an instance type that Capacity Blocks are not sold of.

    Raises:
        PlanError: it is of another family.

    """
    if not instance_type.startswith(BLOCK_FAMILIES):
        raise PlanError(
            f"AWS sells no Capacity Blocks of {instance_type}",
            hint='They are sold of P4d, P5 and P6 instances. Set `aws.capacity` to "on-demand" or "reservation".',
            code="no_blocks_of_type",
        )


def capacity_decision(aws: AwsSection) -> Decision:
    """Say where the machines come from, and what that means."""
    why = {
        "on-demand": "billed by the second while it runs; AWS may be out of it when the stack is made",
        "reservation": "launched into the reservation and nowhere else; it bills until it is cancelled, used or not",
        "capacity-block": "paid up front and never cancelled; AWS takes the instances back from "
        f"{RECLAIM_BEFORE.seconds // 60} minutes before the end, 11:30 UTC",
        "spot": "the profile is a proof of concept: AWS may take the machine back with two minutes' notice",
    }[aws.capacity]
    named = f" {aws.reservation_id}" if aws.reservation_id else ""
    return Decision(what="capacity", choice=f"{aws.capacity}{named}", why=why)


def moment(when: datetime) -> str:
    """Write a moment for a person: to the minute, with its zone."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _span(length: timedelta) -> str:
    """Write a length of time for a person: its two largest units."""
    minutes = -(-int(length.total_seconds()) // 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
