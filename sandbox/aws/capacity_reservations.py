"""Capacity reservations: the right to launch, kept whether it is used or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError, not_found
from sandbox.aws.filters import select
from sandbox.aws.region import Region

_TYPE = "capacity-reservation"


@dataclass
class Reservation:
    """One reservation, on demand or of a capacity block."""

    id: str
    instance_type: str
    platform: str
    zone: str
    tenancy: str
    count: int
    match: str
    created_at: datetime
    start: datetime
    end: datetime | None
    ebs_optimized: bool = False
    block_id: str | None = None
    placement_group_arn: str | None = None
    cancelled: bool = False

    def state(self, now: datetime) -> str:
        """Return the state at a time."""
        if self.cancelled:
            return "cancelled"
        if now < self.start:
            return "scheduled"
        if self.end is not None and now >= self.end:
            return "expired"
        return "active"


@dataclass
class Reservations:
    """The reservations of a region, by id."""

    by_id: dict[str, Reservation] = field(default_factory=dict)


@dataclass(frozen=True)
class _Seen:
    """A reservation as filters see it."""

    reservation: Reservation
    state: str

    def facts(self) -> dict[str, str]:
        reservation = self.reservation
        return {
            "instance-type": reservation.instance_type,
            "owner-id": ACCOUNT_ID,
            "instance-platform": reservation.platform,
            "availability-zone": reservation.zone,
            "tenancy": reservation.tenancy,
            "state": self.state,
            "end-date-type": "limited" if reservation.end else "unlimited",
            "instance-match-criteria": reservation.match,
            "placement-group-arn": reservation.placement_group_arn or "",
        }


def get(region: Region, reservation_id: str) -> Reservation:
    """Return a reservation.

    Raises:
        AwsError: `InvalidCapacityReservationId.NotFound`.

    """
    try:
        return region.part(Reservations).by_id[reservation_id]
    except KeyError:
        raise not_found("InvalidCapacityReservationId.NotFound", "capacity reservation", reservation_id) from None


def used(region: Region, reservation_id: str) -> int:
    """Return how many instances run in a reservation."""
    return sum(
        getattr(instance, "capacity_reservation_id", None) == reservation_id for instance in region.live_instances()
    )


def describe(region: Region, reservation: Reservation) -> dict[str, Any]:
    """Return a reservation as EC2 writes it."""
    return {
        "CapacityReservationId": reservation.id,
        "OwnerId": ACCOUNT_ID,
        "CapacityReservationArn": region.arn(_TYPE, reservation.id),
        "AvailabilityZone": reservation.zone,
        "AvailabilityZoneId": region.zone_id(reservation.zone),
        "InstanceType": reservation.instance_type,
        "InstancePlatform": reservation.platform,
        "Tenancy": reservation.tenancy,
        "TotalInstanceCount": reservation.count,
        "AvailableInstanceCount": reservation.count - used(region, reservation.id),
        "EbsOptimized": reservation.ebs_optimized,
        "EphemeralStorage": False,
        "State": reservation.state(region.now()),
        "StartDate": reservation.start,
        "EndDate": reservation.end,
        "EndDateType": "limited" if reservation.end else "unlimited",
        "InstanceMatchCriteria": reservation.match,
        "CreateDate": reservation.created_at,
        "ReservationType": "capacity-block" if reservation.block_id else "default",
        "CapacityBlockId": reservation.block_id,
        "PlacementGroupArn": reservation.placement_group_arn,
        "Tags": region.tag_list(reservation.id),
    }


def _end(asked: dict[str, Any], now: datetime) -> datetime | None:
    kind, end = asked.get("EndDateType"), asked.get("EndDate")
    if (kind == "limited") != (end is not None):
        raise AwsError("InvalidParameterCombination", "EndDate goes with EndDateType 'limited', and only with it.")
    if end is None:
        return None
    end = end.replace(tzinfo=now.tzinfo)
    if end <= now:
        raise AwsError("InvalidParameterValue", "EndDate must be in the future.")
    return datetime.fromisoformat(end.isoformat())


def _create(call: Call) -> object:
    region, asked = call.region, call.parameters
    instance_type, zone, now = asked["InstanceType"], asked.get("AvailabilityZone", ""), region.now()
    if not region.offers(instance_type, zone):
        raise AwsError("Unsupported", f"The instance type '{instance_type}' is not offered in '{zone or region.name}'.")
    if asked["InstanceCount"] < 1:
        raise AwsError("InvalidParameterValue", "InstanceCount must be at least 1.")
    reservation = Reservation(
        id=region.new_id(_TYPE),
        instance_type=instance_type,
        platform=asked["InstancePlatform"],
        zone=zone,
        tenancy=asked.get("Tenancy", "default"),
        count=asked["InstanceCount"],
        match=asked.get("InstanceMatchCriteria", "open"),
        created_at=now,
        start=now,
        end=_end(asked, now),
        ebs_optimized=bool(asked.get("EbsOptimized", False)),
        placement_group_arn=asked.get("PlacementGroupArn"),
    )
    region.tag_new(reservation.id, _TYPE, asked)
    region.part(Reservations).by_id[reservation.id] = reservation
    return {"CapacityReservation": describe(region, reservation)}


def _describe_all(call: Call) -> object:
    region = call.region
    ids = call.parameters.get("CapacityReservationIds") or list(region.part(Reservations).by_id)
    reservations = [get(region, reservation_id) for reservation_id in ids]
    seen = [(_Seen(one, one.state(region.now())), region.tags(one.id)) for one in reservations]
    chosen = select(seen, call.parameters.get("Filters"))
    return {"CapacityReservations": [describe(region, record.reservation) for record, _ in chosen]}


def _changeable(call: Call) -> Reservation:
    """Return the reservation that a call wants to change, if that can be changed."""
    reservation = get(call.region, call.parameters["CapacityReservationId"])
    if reservation.block_id:
        raise AwsError("UnsupportedOperation", "A Capacity Block can be extended, but neither changed nor cancelled.")
    state = reservation.state(call.region.now())
    if state != "active":
        raise AwsError("IncorrectState", f"The capacity reservation '{reservation.id}' is {state}.")
    return reservation


def _cancel(call: Call) -> object:
    """Cancel; instances that run in the reservation go on, at on-demand rates."""
    _changeable(call).cancelled = True
    return {"Return": True}


def _modify(call: Call) -> object:
    reservation, asked = _changeable(call), call.parameters
    count = asked.get("InstanceCount", reservation.count)
    if count < max(1, used(call.region, reservation.id)):
        raise AwsError("InvalidParameterValue", "InstanceCount is less than the instances that run in the reservation.")
    if "EndDateType" in asked or "EndDate" in asked:
        reservation.end = _end({"EndDateType": "limited", **asked} if "EndDate" in asked else asked, call.region.now())
    reservation.count = count
    reservation.match = asked.get("InstanceMatchCriteria", reservation.match)
    return {"Return": True}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "CreateCapacityReservation"): _create,
    ("ec2", "DescribeCapacityReservations"): _describe_all,
    ("ec2", "CancelCapacityReservation"): _cancel,
    ("ec2", "ModifyCapacityReservation"): _modify,
}
