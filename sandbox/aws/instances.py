"""RunInstances and TerminateInstances as AWS has them.

moto launches the instance; what it leaves out is added here: everything that comes from a launch template, all network
interfaces with their cards and types, capacity reservations, placement groups, termination protection, and states that
take a while.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ec2.models.elastic_network_interfaces import Attachment, NetworkInterface
from moto.ec2.models.instances import Instance, Reservation

from sandbox.aws import launch
from sandbox.aws.call import Call, Operation
from sandbox.aws.errors import AwsError
from sandbox.aws.region import SETTLES_IN, Region

_RESERVATION = re.compile(r"<reservationId>(r-[0-9a-f]+)</reservationId>")
_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
_FORWARDED = (
    "ClientToken",
    "DisableApiStop",
    "EbsOptimized",
    "HibernationOptions",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "KeyName",
    "MaxCount",
    "MetadataOptions",
    "MinCount",
    "Monitoring",
    "TagSpecifications",
    "UserData",
)


@dataclass
class Transitions:
    """Instances on their way to another state: id -> (state, when they set out)."""

    by_id: dict[str, tuple[str, datetime]] = field(default_factory=dict)


class CardInterface(NetworkInterface):
    """A network interface beyond the primary one: it sits on a network card and has its own groups alone."""

    card_index = 0

    @property
    def attachment(self) -> Attachment | None:
        """Where it is attached."""
        attachment = super().attachment
        if attachment is not None:
            attachment.network_card_index = self.card_index
        return attachment

    @property
    def group_set(self) -> Any:
        """Its security groups; moto would add those of the instance."""
        return self._group_set


def _set_state(instance: Instance, state: str) -> None:
    instance.instance_state.name, instance.instance_state.code = state, _STATES[state]


def settle(region: Region) -> None:
    """Let instances arrive at the state they are on their way to."""
    moving = region.part(Transitions).by_id
    for instance_id, (state, since) in list(moving.items()):
        if region.now() < since + SETTLES_IN:
            continue
        del moving[instance_id]
        if state == "terminated":
            region.ec2.terminate_instances([instance_id])
        else:
            _set_state(region.ec2.get_instance(instance_id), state)


def _mappings(region: Region, asked: launch.Parameters) -> list[dict[str, Any]]:
    """Return the block devices: the root volume is always there, and goes with its instance unless told otherwise."""
    image = region.ec2.describe_images([asked["ImageId"]])[0]
    root = {"DeviceName": image.root_device_name, "Ebs": {"VolumeSize": 8}}
    given = asked.get("BlockDeviceMappings", [])
    mappings = given if any(one["DeviceName"] == root["DeviceName"] for one in given) else [root, *given]
    return [
        {**one, "Ebs": {"DeleteOnTermination": one["DeviceName"] == root["DeviceName"], **one.get("Ebs", {})}}
        for one in mappings
    ]


def _attach(region: Region, instance: Instance, nic: launch.Parameters) -> None:
    """Give an instance one more network interface."""
    subnet = region.subnet(nic["SubnetId"])
    addressless = nic["InterfaceType"] == "efa-only"
    address = nic.get("PrivateIpAddress") or subnet.get_available_subnet_ip(instance=instance)
    interface = CardInterface(  # type: ignore[abstract]  # moto's CloudFormation hooks are no part of it
        region.ec2,
        subnet,
        address,
        group_ids=nic.get("Groups", []),
        description=nic.get("Description", ""),
        delete_on_termination=nic["DeleteOnTermination"],
    )
    if addressless:
        subnet.del_subnet_ip(address)
        interface.private_ip_address, interface.private_ip_addresses = None, []
    interface.interface_type = nic["InterfaceType"]
    interface.card_index = nic["NetworkCardIndex"]
    region.ec2.enis[interface.id] = interface
    instance.attach_eni(interface, 100 * nic["NetworkCardIndex"] + nic["DeviceIndex"])
    interface.device_index = nic["DeviceIndex"]


def _complete(
    region: Region, instance: Instance, asked: launch.Parameters, nics: list[launch.Parameters], capacity: str | None
) -> None:
    """Add to an instance what moto left out."""
    primary = instance.nics[0]
    primary.interface_type = nics[0]["InterfaceType"]
    primary.delete_on_termination = nics[0]["DeleteOnTermination"]
    instance.security_groups = list(primary.group_set)
    for nic in nics[1:]:
        _attach(region, instance, nic)
    tags = {one["ResourceType"]: one["Tags"] for one in asked.get("TagSpecifications", [])}
    for interface in instance.nics.values():
        interface.add_tags({tag["Key"]: tag["Value"] for tag in tags.get("network-interface", [])})
    placement = asked.get("Placement", {})
    instance.placement.group_name = placement.get("GroupName", "")
    instance.placement.tenancy = placement.get("Tenancy", "default")
    instance.disable_api_termination = bool(asked.get("DisableApiTermination", False))
    market = asked.get("InstanceMarketOptions", {}).get("MarketType")
    instance.lifecycle = market if market in {"spot", "capacity-block"} else None
    answered = {
        "capacity_reservation_id": capacity,
        "capacity_reservation_specification": asked.get("CapacityReservationSpecification"),
        "ena_support": True,
        "usage_operation": "RunInstances",
    }
    vars(instance).update(answered)  # fields of the answer that moto's record does not have
    _set_state(instance, "pending")
    region.part(Transitions).by_id[instance.id] = ("running", region.now())


def _check(region: Region, asked: launch.Parameters) -> tuple[list[launch.Parameters], str | None]:
    """Return the interfaces and the capacity reservation of a launch that AWS would accept."""
    for name in ("ImageId", "InstanceType"):
        if not asked.get(name):
            raise AwsError("MissingParameter", f"The request must contain the parameter {name}")
    nics = launch.interfaces(region, asked)
    zone = launch.check_network(region, nics)
    launch.check_type(region, asked["InstanceType"], zone)
    launch.check_interfaces(region, asked["InstanceType"], nics)
    launch.check_placement(region, asked, zone)
    return nics, launch.check_capacity(region, asked, zone, asked["MaxCount"])


def _run(call: Call) -> object:
    region = call.region
    asked = launch.effective(region, call.parameters)
    nics, capacity = _check(region, asked)
    forwarded = {name: asked[name] for name in _FORWARDED if name in asked}
    response = call.forward(
        {**forwarded, "BlockDeviceMappings": _mappings(region, asked), "NetworkInterfaces": [_plain(nics[0])]}
    )
    found = _RESERVATION.search(response.text)
    if response.status != 200 or found is None:
        return response
    reservation: Reservation = region.ec2.reservations[found[1]]
    for instance in reservation.instances:
        _complete(region, instance, asked, nics, capacity)
    return reservation


def _plain(nic: launch.Parameters) -> launch.Parameters:
    """Return a primary interface in the terms that moto knows."""
    return {key: value for key, value in nic.items() if key not in {"NetworkCardIndex", "InterfaceType"}}


def start(region: Region, asked: launch.Parameters) -> Instance:
    """Launch one instance for a service of AWS's own, with no request of EC2's API; return it.

    Args:
        region: where.
        asked: the request that it comes to, its launch template read.

    """
    nics, capacity = _check(region, asked)
    tags = {
        one["ResourceType"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in asked["TagSpecifications"]
    }
    profile = asked.get("IamInstanceProfile", {})
    reservation = region.ec2.run_instances(
        asked["ImageId"],
        1,
        asked.get("UserData"),
        [],
        instance_type=asked["InstanceType"],
        is_instance_type_default=False,
        region_name=region.name,
        placement=None,
        nics=[_plain(nics[0])],
        tags=tags,
        instance_initiated_shutdown_behavior=asked.get("InstanceInitiatedShutdownBehavior"),
        iam_instance_profile_name=profile.get("Name"),
        iam_instance_profile_arn=profile.get("Arn"),
        monitoring_state="enabled" if asked.get("Monitoring", {}).get("Enabled") else "disabled",
        metadata_options=asked.get("MetadataOptions", {}),
        block_device_mappings=_mappings(region, asked),
    )
    instance: Instance = reservation.instances[0]
    _complete(region, instance, asked, nics, capacity)
    if profile:
        region.ec2.associate_iam_instance_profile(
            instance_id=instance.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )
    return instance


def end(region: Region, leaving: Iterable[Instance]) -> None:
    """Begin to terminate instances; those that are on their way already go on."""
    for instance in leaving:
        if instance.state not in {"shutting-down", "terminated"}:
            _set_state(instance, "shutting-down")
            region.part(Transitions).by_id[instance.id] = ("terminated", region.now())


def _terminate(call: Call) -> object:
    region = call.region
    instances = region.ec2.get_multi_instances_by_id(call.parameters["InstanceIds"])
    for instance in instances:
        if instance.disable_api_termination:
            raise AwsError(
                "OperationNotPermitted",
                f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
                "attribute and try again.",
            )
    before = [{"Name": instance.state, "Code": instance.state_code} for instance in instances]
    end(region, instances)
    return {
        "TerminatingInstances": [
            {
                "InstanceId": instance.id,
                "PreviousState": state,
                "CurrentState": {"Name": instance.state, "Code": instance.state_code},
            }
            for instance, state in zip(instances, before, strict=True)
        ]
    }


def _modify_attribute(call: Call) -> object:
    """Change an attribute; new security groups are those of the primary interface."""
    response = call.forward()
    groups = call.parameters.get("Groups")
    if groups and response.status == 200:
        instance = call.region.ec2.get_instance(call.parameters["InstanceId"])
        call.region.ec2.modify_network_interface_attribute(instance.nics[0].id, groups)
    return response


def _modify_metadata_options(call: Call) -> object:
    """Change the options that are named; moto would reset the others."""
    asked = call.parameters
    options = call.region.ec2.get_instance(asked["InstanceId"]).metadata_options
    fields = {
        "HttpEndpoint": "http_endpoint",
        "HttpProtocolIpv6": "http_protocol_ipv6",
        "HttpPutResponseHopLimit": "http_put_response_hop_limit",
        "HttpTokens": "http_tokens",
        "InstanceMetadataTags": "instance_metadata_tags",
    }
    for name, field_name in fields.items():
        if name in asked:
            setattr(options, field_name, asked[name])
    return {"InstanceId": asked["InstanceId"], "InstanceMetadataOptions": options}


def _monitor(state: str) -> Operation:
    def operation(call: Call) -> object:
        instances = call.region.ec2.get_multi_instances_by_id(call.parameters["InstanceIds"])
        for instance in instances:
            instance.monitoring_state = state
        return {"InstanceMonitorings": [{"InstanceId": one.id, "Monitoring": {"State": state}} for one in instances]}

    return operation


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "ModifyInstanceAttribute"): _modify_attribute,
    ("ec2", "ModifyInstanceMetadataOptions"): _modify_metadata_options,
    ("ec2", "MonitorInstances"): _monitor("enabled"),
    ("ec2", "RunInstances"): _run,
    ("ec2", "TerminateInstances"): _terminate,
    ("ec2", "UnmonitorInstances"): _monitor("disabled"),
}
