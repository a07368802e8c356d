"""Capacity Blocks and reservations of an account: find, buy, extend, look at."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from lifecycle.aws.errors import told, unanswered
from lifecycle.aws.session import AwsSession
from planner.capacity import Held, check_extendable, check_length
from planner.errors import DeployError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import CapacityReservationTypeDef

OFFERING_TAG = "cloister:offering"
"""Tag of a block's reservation: the offering that it was bought as. It tells whether a purchase has been made."""
_NOT_BOUGHT = {"payment-failed", "failed", "cancelled"}
"""States of a reservation that nobody paid for."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for.

    Attributes:
        start: earliest start, with its zone; None for as soon as possible.
        max_price: highest fee in USD; None for any.

    """

    instance_type: str
    count: int
    hours: int
    start: datetime | None = None
    max_price: Decimal | None = None


class Offering(msgspec.Struct, frozen=True, kw_only=True):
    """A Capacity Block that is for sale.

    Attributes:
        fee: the whole of it, paid up front.
        per_instance_hour: the fee by instance and hour.

    """

    id: str
    instance_type: str
    count: int
    zone: str
    start: datetime
    end: datetime
    hours: int
    fee: Decimal
    currency: str
    per_instance_hour: Decimal


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """More time for a block, for sale: from its end on."""

    id: str
    reservation_id: str
    start: datetime
    end: datetime
    hours: int
    fee: Decimal
    currency: str


def find(session: AwsSession, search: Search) -> tuple[Offering, ...]:
    """Return what is for sale, the earliest first, and the cheapest of those.

    Raises:
        DeployError: no block has that length, or AWS refuses.

    """
    check_length(search.hours)
    asked: dict[str, Any] = {
        "InstanceType": search.instance_type,
        "InstanceCount": search.count,
        "CapacityDurationHours": search.hours,
    }
    if search.start:
        asked["StartDateRange"] = search.start
    with told("ec2:DescribeCapacityBlockOfferings", session.region):
        pages = session.ec2.get_paginator("describe_capacity_block_offerings").paginate(**asked)
        found = [_offering(one) for page in pages for one in page["CapacityBlockOfferings"]]
    cheap = (one for one in found if search.max_price is None or one.fee <= search.max_price)
    return tuple(sorted(cheap, key=lambda one: (one.start, one.fee, one.zone)))


def buy(session: AwsSession, offering: Offering, tags: dict[str, str]) -> Held:
    """Buy a block, once. The fee is charged and not given back.

    Args:
        session: of the region in which it was found.
        offering: as `find` returned it.
        tags: for the reservation, beside the toolkit's own.

    Raises:
        DeployError: it was bought before, AWS refuses, or nobody can tell whether it was bought.

    """
    before = _bought_as(session, offering.id)
    if before:
        raise DeployError(
            f"offering {offering.id} was bought before: it is {before.id}",
            hint=f'Use it: `aws.reservation_id = "{before.id}"` in the profile.',
            code="already_bought",
        )
    marked = {**tags, OFFERING_TAG: offering.id}
    try:
        with told("ec2:PurchaseCapacityBlock", session.region):
            made = session.ec2_once.purchase_capacity_block(
                CapacityBlockOfferingId=offering.id,
                InstancePlatform="Linux/UNIX",
                TagSpecifications=[
                    {
                        "ResourceType": "capacity-reservation",
                        "Tags": [{"Key": key, "Value": value} for key, value in sorted(marked.items())],
                    }
                ],
            )
    except DeployError as error:
        if not isinstance(error.__cause__, Exception) or not unanswered(error.__cause__):
            raise
        return _after_no_answer(session, offering, error)
    return held_from(made["CapacityReservation"])


def describe(session: AwsSession, reservation_id: str) -> Held:
    """Return a reservation or Capacity Block as the account has it.

    Raises:
        DeployError: there is none of that id, or AWS refuses.

    """
    with told("ec2:DescribeCapacityReservations", session.region):
        found = session.ec2.describe_capacity_reservations(CapacityReservationIds=[reservation_id])
    return held_from(found["CapacityReservations"][0])


def extensions(session: AwsSession, held: Held, hours: int, now: datetime) -> tuple[Extension, ...]:
    """Return what more time for a block costs, the cheapest first.

    Raises:
        DeployError: it cannot be extended, or not any more, or AWS refuses.

    """
    check_extendable(held, now)
    check_length(hours)
    with told("ec2:DescribeCapacityBlockExtensionOfferings", session.region):
        pages = session.ec2.get_paginator("describe_capacity_block_extension_offerings").paginate(
            CapacityReservationId=held.id, CapacityBlockExtensionDurationHours=hours
        )
        found = [_extension(held.id, one) for page in pages for one in page["CapacityBlockExtensionOfferings"]]
    return tuple(sorted(found, key=lambda one: (one.fee, one.id)))


def extend(session: AwsSession, extension: Extension) -> str:
    """Buy more time for a block, once, and return the state of the payment as EC2 writes it.

    Raises:
        DeployError: AWS refuses, or nobody can tell whether it was bought.

    """
    try:
        with told("ec2:PurchaseCapacityBlockExtension", session.region):
            made = session.ec2_once.purchase_capacity_block_extension(
                CapacityBlockExtensionOfferingId=extension.id, CapacityReservationId=extension.reservation_id
            )
    except DeployError as error:
        if not isinstance(error.__cause__, Exception) or not unanswered(error.__cause__):
            raise
        raise _unknown(
            f"extension {extension.id}", f"`deploy capacity show {extension.reservation_id}` shows its end", error
        ) from error
    return str(made["CapacityBlockExtensions"][0]["CapacityBlockExtensionStatus"])


def held_from(said: CapacityReservationTypeDef) -> Held:
    """Read a reservation as EC2 describes it."""
    return Held(
        id=said["CapacityReservationId"],
        kind="capacity-block" if said.get("ReservationType") == "capacity-block" else "reservation",
        state=said["State"],
        instance_type=said["InstanceType"],
        zone=said.get("AvailabilityZone", ""),
        total=said.get("TotalInstanceCount", 0),
        available=said.get("AvailableInstanceCount", 0),
        start=_utc(said.get("StartDate") or said["CreateDate"]),
        end=_utc(said["EndDate"]) if said.get("EndDate") else None,
    )


def _bought_as(session: AwsSession, offering_id: str) -> Held | None:
    """Return the reservation that an offering was bought as, if it was."""
    with told("ec2:DescribeCapacityReservations", session.region):
        pages = session.ec2.get_paginator("describe_capacity_reservations").paginate(
            Filters=[{"Name": f"tag:{OFFERING_TAG}", "Values": [offering_id]}]
        )
        found = [held_from(one) for page in pages for one in page["CapacityReservations"]]
    return next((one for one in found if one.state not in _NOT_BOUGHT), None)


def _after_no_answer(session: AwsSession, offering: Offering, error: DeployError) -> Held:
    """Look whether a purchase without an answer was made.

    Raises:
        DeployError: nobody can tell yet.

    """
    bought = _bought_as(session, offering.id)
    if bought is None:
        raise _unknown(
            f"offering {offering.id}",
            "run the command again in a few minutes: it looks first, and buys once",
            error,
        ) from error
    return bought


def _unknown(what: str, then: str, error: DeployError) -> DeployError:
    return DeployError(
        f"nobody can tell whether {what} was bought: {error.message}",
        hint=f"Do not buy another one yet: {then}.",
        code="purchase_unknown",
    )


def _offering(said: Any) -> Offering:
    hours = int(said["CapacityBlockDurationHours"])
    count, fee = int(said["InstanceCount"]), Decimal(said["UpfrontFee"])
    return Offering(
        id=said["CapacityBlockOfferingId"],
        instance_type=said["InstanceType"],
        count=count,
        zone=said["AvailabilityZone"],
        start=_utc(said["StartDate"]),
        end=_utc(said["EndDate"]),
        hours=hours,
        fee=fee,
        currency=said.get("CurrencyCode", "USD"),
        per_instance_hour=(fee / (hours * count)).quantize(Decimal("0.0001")),
    )


def _extension(reservation_id: str, said: Any) -> Extension:
    return Extension(
        id=said["CapacityBlockExtensionOfferingId"],
        reservation_id=reservation_id,
        start=_utc(said["CapacityBlockExtensionStartDate"]),
        end=_utc(said["CapacityBlockExtensionEndDate"]),
        hours=int(said["CapacityBlockExtensionDurationHours"]),
        fee=Decimal(said["UpfrontFee"]),
        currency=said.get("CurrencyCode", "USD"),
    )


def _utc(when: datetime) -> datetime:
    return when.astimezone(UTC)
