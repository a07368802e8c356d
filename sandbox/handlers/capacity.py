"""Placement groups and capacity reservations."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, retag_ec2
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import remove_when_free


class PlacementGroup(Ec2Resource):
    """`aws:ec2/placementGroup:PlacementGroup`. Its id is its name."""

    type = "aws:ec2/placementGroup:PlacementGroup"
    fixed = frozenset({"name", "partitionCount", "spreadLevel", "strategy"})
    in_place = frozenset({"tags"})
    required = frozenset({"name", "strategy"})
    kind = "placement-group"
    describe_call, records_key = "describe_placement_groups", "PlacementGroups"
    ids_argument, id_key = "GroupNames", "GroupName"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the group."""
        names = {"partitionCount": "PartitionCount", "spreadLevel": "SpreadLevel"}
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        clients.client("ec2").create_placement_group(
            GroupName=inputs["name"], Strategy=inputs["strategy"], **arguments, **self.tagged(inputs)
        )
        return str(inputs["name"])

    def retag(self, change: Change) -> None:
        """Change the tags; they are kept under the group's id, not its name."""
        record = self.describe(change)
        if record is not None:
            retag_ec2(change, record["GroupId"])

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": record["GroupArn"],
            "name": record["GroupName"],
            "placementGroupId": record["GroupId"],
            "strategy": record["Strategy"],
            "partitionCount": record.get("PartitionCount", 0),
            "spreadLevel": record.get("SpreadLevel", ""),
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the group once no instance is in it."""
        remove_when_free(lambda: target.ec2.delete_placement_group(GroupName=target.id), target.id)


_RESERVATION = {
    "availabilityZone": "AvailabilityZone",
    "ebsOptimized": "EbsOptimized",
    "endDate": "EndDate",
    "endDateType": "EndDateType",
    "ephemeralStorage": "EphemeralStorage",
    "instanceCount": "InstanceCount",
    "instanceMatchCriteria": "InstanceMatchCriteria",
    "instancePlatform": "InstancePlatform",
    "instanceType": "InstanceType",
    "placementGroupArn": "PlacementGroupArn",
    "tenancy": "Tenancy",
}
_RESERVATION_IN_PLACE = frozenset({"endDate", "endDateType", "instanceCount", "instanceMatchCriteria"})


class CapacityReservation(Ec2Resource):
    """`aws:ec2/capacityReservation:CapacityReservation`: on demand, and billed whether it is used or not."""

    type = "aws:ec2/capacityReservation:CapacityReservation"
    fixed = frozenset(_RESERVATION) - _RESERVATION_IN_PLACE
    in_place = _RESERVATION_IN_PLACE | {"tags"}
    required = frozenset({"availabilityZone", "instanceCount", "instancePlatform", "instanceType"})
    kind = "capacity-reservation"
    describe_call, records_key = "describe_capacity_reservations", "CapacityReservations"
    ids_argument, id_key = "CapacityReservationIds", "CapacityReservationId"

    def alive(self, record: Record) -> bool:
        """Tell whether the reservation still reserves: ended ones are shown for a while."""
        return record["State"] not in {"cancelled", "expired", "failed"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Reserve."""
        arguments: dict[str, Any] = {
            api_name: inputs[name] for name, api_name in _RESERVATION.items() if inputs.get(name) is not None
        }
        made = clients.client("ec2").create_capacity_reservation(
            ClientToken=str(uuid.uuid4()), **arguments, **self.tagged(inputs)
        )
        return str(made["CapacityReservation"]["CapacityReservationId"])

    def change(self, change: Change) -> None:
        """Reserve more or less, or for another time."""
        names: Iterable[str] = change.names & _RESERVATION_IN_PLACE
        arguments = {_RESERVATION[name]: change.inputs[name] for name in names if change.inputs.get(name) is not None}
        if "EndDate" in arguments:
            arguments.setdefault("EndDateType", "limited")
        if arguments:
            change.ec2.modify_capacity_reservation(CapacityReservationId=change.id, **arguments)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        end = {"endDate": record["EndDate"].strftime("%Y-%m-%dT%H:%M:%SZ")} if record.get("EndDate") else {}
        same = {name: record[api_name] for name, api_name in _RESERVATION.items() if api_name in record}
        return {
            **same,
            "arn": record["CapacityReservationArn"],
            "ownerId": record["OwnerId"],
            **end,
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Cancel the reservation. Instances that run in it go on, and are billed on demand."""
        if self.describe(target) is not None:
            cancel = target.ec2.cancel_capacity_reservation
            remove_when_free(lambda: cancel(CapacityReservationId=target.id), target.id)
