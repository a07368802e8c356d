"""What runs, what it runs from, and what is held for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.sweeping.ec2 import Record, ec2_kind
from lifecycle.sweeping.records import Kind, Place, Thing, pages, refs, tags_of

_GROUP_TAG = "aws:autoscaling:groupName"
"""Tag by which Auto Scaling says which of its groups an instance is of."""
_PREPAID = "a Capacity Block is paid for up front: it cannot be cancelled, and ends by itself"


def _instance(place: Place) -> Iterator[Thing]:
    for page in pages(place.client("ec2"), "describe_instances"):
        for reservation in page["Reservations"]:
            for record in reservation["Instances"]:
                state, tags = record["State"]["Name"], tags_of(record.get("Tags"))
                if state != "terminated":  # EC2 shows those, tags and all, for about an hour
                    yield Thing(
                        kind="instance",
                        id=record["InstanceId"],
                        tags=tags,
                        refs=refs(record.get("VpcId"), record.get("SubnetId"), record.get("ImageId")),
                        owner=tags.get(_GROUP_TAG, ""),
                        going=state == "shutting-down",
                        detail=f"{record['InstanceType']}, {state}",
                        costs=() if state in {"stopped", "shutting-down"} else ((_capacity(record), 1),),
                        record=record,
                    )


def _capacity(record: Record) -> str:
    """Name the row of the price list: what a running instance costs depends on how it was bought."""
    bought = record.get("InstanceLifecycle") or "on-demand"
    return f"host:{record['InstanceType']}:{bought}"


def _terminate(place: Place, thing: Thing) -> None:
    """End an instance; protection that its own stack gave it does not outlive the stack."""
    ec2 = place.client("ec2")
    asked: Any = ec2.describe_instance_attribute(InstanceId=thing.id, Attribute="disableApiTermination")
    if asked.get("DisableApiTermination", {}).get("Value"):
        ec2.modify_instance_attribute(InstanceId=thing.id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[thing.id])


def _cancel_spot(place: Place, thing: Thing) -> None:
    place.client("ec2").cancel_spot_instance_requests(SpotInstanceRequestIds=[thing.id])


def _volume(record: Record) -> Mapping[str, Any]:
    size = record.get("Size", 0)
    attachments = [one for one in record.get("Attachments") or () if one.get("InstanceId")]
    attached = [one["InstanceId"] for one in attachments]
    return {
        "owner": next((one["InstanceId"] for one in attachments if one.get("DeleteOnTermination")), ""),
        "refs": refs(record.get("KmsKeyId"), record.get("SnapshotId"), *attached),
        "detail": f"{size} GiB {record.get('VolumeType', '')}, {record.get('State', '')}",
        "costs": ((f"ebs-{record.get('VolumeType', 'gp3')}-gib", size),),
    }


def _snapshot(record: Record) -> Mapping[str, Any]:
    return {
        "refs": refs(record.get("VolumeId"), record.get("KmsKeyId")),
        "detail": f"of a volume of {record.get('VolumeSize', 0)} GiB",
        "costs": (("ebs-snapshot-gib", record.get("VolumeSize", 0)),),
    }


def _image(record: Record) -> Mapping[str, Any]:
    disks = [one.get("Ebs", {}).get("SnapshotId") for one in record.get("BlockDeviceMappings") or ()]
    return {"refs": refs(record.get("SourceInstanceId"), *disks), "detail": record.get("Name", "")}


def _reservation(record: Record) -> Mapping[str, Any]:
    count, size = record.get("TotalInstanceCount", 1), record.get("InstanceType", "")
    block = record.get("ReservationType") == "capacity-block"
    return {
        "kept": _PREPAID if block else "",
        "detail": f"{count} x {size}, {record.get('State', '')}"
        + (f", until {record['EndDate']:%Y-%m-%d %H:%M} UTC" if record.get("EndDate") else ""),
        # What runs in it is counted once, as an instance; what is reserved and idle costs the same.
        "costs": () if block else ((f"host:{size}:on-demand", record.get("AvailableInstanceCount", count)),),
    }


def _placement_group(record: Record) -> Mapping[str, Any]:
    return {"detail": record.get("Strategy", "")}


COMPUTE: tuple[Kind, ...] = (
    ec2_kind(
        "spot-request",
        "spot requests",
        describe="describe_spot_instance_requests",
        records="SpotInstanceRequests",
        id_key="SpotInstanceRequestId",
        remove=_cancel_spot,
        gone=("closed", "cancelled", "failed", "disabled"),
    ),
    Kind("instance", "instances", "ec2", ("ec2:DescribeInstances",), _instance, _terminate),
)
"""What must be ended before the network can go."""

KEPT_FOR_COMPUTE: tuple[Kind, ...] = (
    ec2_kind(
        "image",
        "machine images made",
        describe="describe_images",
        records="Images",
        id_key="ImageId",
        asked={"Owners": ["self"]},
        delete="deregister_image",
        argument="ImageId",
        gone=("deregistered",),
        facts=_image,
    ),
    ec2_kind(
        "snapshot",
        "snapshots",
        describe="describe_snapshots",
        records="Snapshots",
        id_key="SnapshotId",
        asked={"OwnerIds": ["self"]},
        delete="delete_snapshot",
        argument="SnapshotId",
        facts=_snapshot,
    ),
    ec2_kind(
        "volume",
        "volumes",
        describe="describe_volumes",
        records="Volumes",
        id_key="VolumeId",
        delete="delete_volume",
        argument="VolumeId",
        facts=_volume,
    ),
    ec2_kind(
        "launch-template",
        "launch templates",
        describe="describe_launch_templates",
        records="LaunchTemplates",
        id_key="LaunchTemplateId",
        delete="delete_launch_template",
        argument="LaunchTemplateId",
    ),
    ec2_kind(
        "placement-group",
        "placement groups",
        describe="describe_placement_groups",
        records="PlacementGroups",
        id_key="GroupName",
        delete="delete_placement_group",
        argument="GroupName",
        facts=_placement_group,
    ),
    ec2_kind(
        "capacity-reservation",
        "capacity reservations and blocks",
        describe="describe_capacity_reservations",
        records="CapacityReservations",
        id_key="CapacityReservationId",
        delete="cancel_capacity_reservation",
        argument="CapacityReservationId",
        gone=("cancelled", "expired", "failed", "payment-failed", "unsupported"),
        going=("cancelling",),
        facts=_reservation,
    ),
)
"""Images before the snapshots that they are of; reservations last, when nothing runs in them."""
