"""Capacity blocks: GPU instances for a fixed stretch of time, paid for up front.

Rules (AWSEC2 user guide, capacity-blocks-how and -using): 1 to 14 days, then multiples of 7 up to 182; at most 64
instances in one zone; starting within 8 weeks; ending at 11:30 UTC; delivered as a targeted reservation; never changed
or cancelled, only extended, an hour before its end at the latest. A block that starts today starts at once here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.capacity_reservations import Reservation, Reservations, describe, get
from sandbox.aws.errors import AwsError
from sandbox.aws.filters import select
from sandbox.aws.region import Region

USD_PER_INSTANCE_HOUR = {
    "p4d.24xlarge": 14.75,
    "p5.48xlarge": 39.33,
    "p5e.48xlarge": 39.80,
    "p5en.48xlarge": 41.61,
}
"""Published rates of December 2024 (p4d, p5) and January 2026 (p5e, p5en). A type that is not here has no offerings."""

_CHANGES_HANDS_AT = time(11, 30)
_MOST_INSTANCES = 64
_AHEAD = timedelta(weeks=8)
_EXTEND_BEFORE = timedelta(hours=1)
_MOST_ZONES = 3
_MOST_OFFERINGS = 9


@dataclass(frozen=True)
class Offering:
    """A block, or an extension of one, that can be bought."""

    id: str
    instance_type: str
    count: int
    zone: str
    start: datetime
    end: datetime

    @property
    def hours(self) -> int:
        """Length in whole hours, begun ones included."""
        return -(-int((self.end - self.start).total_seconds()) // 3600)

    @property
    def fee(self) -> str:
        """What it costs in USD, up front."""
        return f"{USD_PER_INSTANCE_HOUR[self.instance_type] * self.hours * self.count:.2f}"


@dataclass(frozen=True)
class Block:
    """A block that was bought."""

    id: str
    reservation_id: str


@dataclass
class Blocks:
    """A region's blocks by id, what was offered, and the extensions bought (reservation id, offering, when)."""

    by_id: dict[str, Block] = field(default_factory=dict)
    offerings: dict[str, Offering] = field(default_factory=dict)
    extensions: list[tuple[str, Offering, datetime]] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """A block as filters see it."""

    block: Block
    reservation: Reservation
    state: str

    def facts(self) -> dict[str, str]:
        return {
            "capacity-block-id": self.block.id,
            "state": self.state,
            "availability-zone": self.reservation.zone,
        }


def _check_length(hours: int) -> None:
    days, rest = divmod(hours, 24)
    if rest or not (1 <= days <= 14 or (14 < days <= 182 and days % 7 == 0)):
        raise AwsError(
            "InvalidParameterValue",
            "The duration must be 1 to 14 days, or a multiple of 7 days up to 182, in hours.",
        )


def _slot(moment: datetime) -> datetime:
    """Return the last 11:30 UTC that is not after a moment."""
    slot = datetime.combine(moment.date(), _CHANGES_HANDS_AT, tzinfo=moment.tzinfo)
    return slot if slot <= moment else slot - timedelta(days=1)


def _offer(region: Region, kind: str, start: datetime, end: datetime, reserved: tuple[str, int, str]) -> Offering:
    """Return an offering and remember it; the same block offered twice has the same id."""
    instance_type, count, zone = reserved
    key = f"{kind} {instance_type} {count} {zone} {start.isoformat()} {end.isoformat()}"
    offering_id = f"{kind}-0{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return region.part(Blocks).offerings.setdefault(
        offering_id, Offering(offering_id, instance_type, count, zone, start, end)
    )


def _zones(region: Region, instance_type: str) -> list[str]:
    offered = region.ec2.describe_instance_type_offerings("availability-zone", {"instance-type": [instance_type]})
    return sorted({str(one["Location"]) for one in offered})[:_MOST_ZONES]


def _starts(region: Region, asked: dict[str, Any]) -> list[datetime]:
    """Return when a block could start: at once, then at every 11:30 UTC of the range asked for."""
    now = region.now().replace(microsecond=0)
    earliest = max(now, asked["StartDateRange"].replace(tzinfo=now.tzinfo)) if "StartDateRange" in asked else now
    days = (_slot(now) + timedelta(days=day) for day in range(1, _AHEAD.days + 1))
    return [start for start in (now, *days) if start >= earliest]


def _describe_offering(offering: Offering) -> dict[str, Any]:
    return {
        "CapacityBlockOfferingId": offering.id,
        "InstanceType": offering.instance_type,
        "AvailabilityZone": offering.zone,
        "InstanceCount": offering.count,
        "StartDate": offering.start,
        "EndDate": offering.end,
        "CapacityBlockDurationHours": offering.hours,
        "CapacityBlockDurationMinutes": int((offering.end - offering.start).total_seconds()) // 60,
        "UpfrontFee": offering.fee,
        "CurrencyCode": "USD",
        "Tenancy": "default",
    }


def _offerings(call: Call) -> object:
    region, asked = call.region, call.parameters
    _check_length(asked["CapacityDurationHours"])
    instance_type, count = asked.get("InstanceType", ""), asked.get("InstanceCount", 1)
    if not 1 <= count <= _MOST_INSTANCES:
        raise AwsError("InvalidParameterValue", f"InstanceCount must be 1 to {_MOST_INSTANCES}.")
    if instance_type not in USD_PER_INSTANCE_HOUR:
        return {"CapacityBlockOfferings": []}
    length = timedelta(hours=asked["CapacityDurationHours"])
    latest, zones = asked.get("EndDateRange"), _zones(region, instance_type)
    offerings = [
        _offer(region, "cbo", start, _slot(start) + length, (instance_type, count, zone))
        for start in _starts(region, asked)
        for zone in zones
        if latest is None or _slot(start) + length <= latest.replace(tzinfo=start.tzinfo)
    ]
    return {"CapacityBlockOfferings": [_describe_offering(one) for one in offerings[:_MOST_OFFERINGS]]}


def _find(region: Region, offering_id: str) -> Offering:
    try:
        return region.part(Blocks).offerings[offering_id]
    except KeyError:
        raise AwsError(
            "InvalidCapacityBlockOfferingIdNotFound", f"The Capacity Block offering '{offering_id}' does not exist."
        ) from None


def _describe_block(region: Region, block: Block) -> dict[str, Any]:
    reservation = get(region, block.reservation_id)
    return {
        "CapacityBlockId": block.id,
        "AvailabilityZone": reservation.zone,
        "AvailabilityZoneId": region.zone_id(reservation.zone),
        "CapacityReservationIds": [reservation.id],
        "StartDate": reservation.start,
        "EndDate": reservation.end,
        "CreateDate": reservation.created_at,
        "State": reservation.state(region.now()),
        "Tags": region.tag_list(block.id),
    }


def _purchase(call: Call) -> object:
    region, asked = call.region, call.parameters
    offering = _find(region, asked["CapacityBlockOfferingId"])
    if offering.end <= region.now():
        raise AwsError("InvalidCapacityBlockOfferingIdExpired", f"The offering '{offering.id}' is no longer available.")
    block = Block(region.new_id("capacity-block"), region.new_id("capacity-reservation"))
    reservation = Reservation(
        id=block.reservation_id,
        instance_type=offering.instance_type,
        platform=asked["InstancePlatform"],
        zone=offering.zone,
        tenancy="default",
        count=offering.count,
        match="targeted",
        created_at=region.now(),
        start=offering.start,
        end=offering.end,
        block_id=block.id,
    )
    region.tag_new(reservation.id, "capacity-reservation", asked)
    region.part(Reservations).by_id[reservation.id] = reservation
    region.part(Blocks).by_id[block.id] = block
    return {"CapacityReservation": describe(region, reservation), "CapacityBlocks": [_describe_block(region, block)]}


def _describe_all(call: Call) -> object:
    region = call.region
    store = region.part(Blocks).by_id
    ids = call.parameters.get("CapacityBlockIds") or list(store)
    for unknown in set(ids) - set(store):
        raise AwsError("InvalidCapacityBlockId.NotFound", f"The Capacity Block ID '{unknown}' does not exist")
    seen = []
    for block in (store[block_id] for block_id in ids):
        reservation = get(region, block.reservation_id)
        seen.append((_Seen(block, reservation, reservation.state(region.now())), region.tags(block.id)))
    chosen = select(seen, call.parameters.get("Filters"))
    return {"CapacityBlocks": [_describe_block(region, record.block) for record, _ in chosen]}


def _extendable(region: Region, reservation_id: str) -> tuple[Reservation, datetime]:
    """Return a block's reservation and its end, if it can still be extended."""
    reservation = get(region, reservation_id)
    if reservation.block_id is None or reservation.end is None:
        raise AwsError("InvalidParameterValue", f"'{reservation_id}' is not the reservation of a Capacity Block.")
    if region.now() > reservation.end - _EXTEND_BEFORE:
        raise AwsError("UnsupportedOperation", "A Capacity Block is extended at least an hour before its end.")
    return reservation, reservation.end


def _extension_fields(offering: Offering) -> dict[str, Any]:
    return {
        "CapacityBlockExtensionOfferingId": offering.id,
        "InstanceType": offering.instance_type,
        "InstanceCount": offering.count,
        "AvailabilityZone": offering.zone,
        "CapacityBlockExtensionStartDate": offering.start,
        "CapacityBlockExtensionEndDate": offering.end,
        "CapacityBlockExtensionDurationHours": offering.hours,
        "UpfrontFee": offering.fee,
        "CurrencyCode": "USD",
    }


def _extension_offerings(call: Call) -> object:
    region, hours = call.region, call.parameters["CapacityBlockExtensionDurationHours"]
    _check_length(hours)
    reservation, end = _extendable(region, call.parameters["CapacityReservationId"])
    reserved = (reservation.instance_type, reservation.count, reservation.zone)
    offering = _offer(region, "cbeo", end, end + timedelta(hours=hours), reserved)
    fields = {**_extension_fields(offering), "StartDate": reservation.start, "Tenancy": "default"}
    return {"CapacityBlockExtensionOfferings": [fields]}


def _describe_extension(reservation_id: str, offering: Offering, bought_at: datetime) -> dict[str, Any]:
    return {
        **_extension_fields(offering),
        "CapacityReservationId": reservation_id,
        "CapacityBlockExtensionStatus": "payment-succeeded",
        "CapacityBlockExtensionPurchaseDate": bought_at,
    }


def _purchase_extension(call: Call) -> object:
    region, now = call.region, call.region.now()
    offering = _find(region, call.parameters["CapacityBlockExtensionOfferingId"])
    reservation, end = _extendable(region, call.parameters["CapacityReservationId"])
    if offering.start != end:
        raise AwsError("InvalidCapacityBlockOfferingIdExpired", "The offering does not begin where the block ends.")
    reservation.end = offering.end
    bought = (reservation.id, offering, now)
    region.part(Blocks).extensions.append(bought)
    return {"CapacityBlockExtensions": [_describe_extension(*bought)]}


def _extension_history(call: Call) -> object:
    wanted = call.parameters.get("CapacityReservationIds")
    bought = call.region.part(Blocks).extensions
    return {"CapacityBlockExtensions": [_describe_extension(*one) for one in bought if not wanted or one[0] in wanted]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "DescribeCapacityBlockOfferings"): _offerings,
    ("ec2", "PurchaseCapacityBlock"): _purchase,
    ("ec2", "DescribeCapacityBlocks"): _describe_all,
    ("ec2", "DescribeCapacityBlockExtensionOfferings"): _extension_offerings,
    ("ec2", "PurchaseCapacityBlockExtension"): _purchase_extension,
    ("ec2", "DescribeCapacityBlockExtensionHistory"): _extension_history,
}
