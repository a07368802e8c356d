"""What a RunInstances request comes to, once its launch template is read, and whether AWS would take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.aws import capacity_reservations, placement_groups, quotas
from sandbox.aws.errors import AwsError
from sandbox.aws.region import Region

Parameters = dict[str, Any]

_EFA = frozenset({"efa", "efa-only"})


def _tag_specifications(*parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Merge tag specifications, one per resource type; later tags win."""
    by_kind: dict[str, dict[str, str]] = {}
    for specification in (one for part in parts for one in part):
        tags = by_kind.setdefault(specification["ResourceType"], {})
        tags.update({tag["Key"]: tag["Value"] for tag in specification.get("Tags", [])})
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in by_kind.items()
        if kind != "launch-template"  # moto puts the template's own tags here
    ]


def effective(region: Region, asked: Parameters) -> Parameters:
    """Return the request with what its launch template adds; the request's own parameters win."""
    reference = asked.get("LaunchTemplate")
    if not reference:
        return asked
    name = reference.get("LaunchTemplateName")
    template = (
        region.ec2.get_launch_template_by_name(name)
        if name
        else region.ec2.get_launch_template(reference.get("LaunchTemplateId", ""))
    )
    version = template.get_version(reference.get("Version", "$Default"))
    data = {key: value for key, value in version.data.items() if value is not None}
    if "UserData" in data:
        data["UserData"] = str(data["UserData"])
    marks = [
        {"Key": "aws:ec2launchtemplate:id", "Value": template.id},
        {"Key": "aws:ec2launchtemplate:version", "Value": str(version.number)},
    ]
    tags = _tag_specifications(
        [{"ResourceType": "instance", "Tags": marks}],
        data.get("TagSpecifications", []),
        asked.get("TagSpecifications", []),
    )
    own = {key: value for key, value in asked.items() if key != "LaunchTemplate"}
    return {**data, **own, "TagSpecifications": tags}


def interfaces(region: Region, launch: Parameters) -> list[Parameters]:
    """Return the network interfaces asked for, the primary one first, each with its card, subnet and groups."""
    given = launch.get("NetworkInterfaces")
    if given and (launch.get("SubnetId") or launch.get("SecurityGroupIds")):
        raise AwsError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same "
            "request",
        )
    if not given:
        given = [{"SubnetId": launch.get("SubnetId"), "Groups": launch.get("SecurityGroupIds", [])}]
    full = [
        {"DeviceIndex": 0, "NetworkCardIndex": 0, "InterfaceType": "interface", "DeleteOnTermination": True, **one}
        for one in given
    ]
    for one in full:
        one["SubnetId"] = one.get("SubnetId") or _default_subnet(region)
    return sorted(full, key=lambda one: (one["NetworkCardIndex"], one["DeviceIndex"]))


def _default_subnet(region: Region) -> str:
    subnets = region.ec2.get_default_subnets()
    if not subnets:
        raise AwsError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    return str(subnets[min(subnets)].id)


def check_interfaces(region: Region, instance_type: str, nics: list[Parameters]) -> None:
    """Refuse network interfaces that AWS would refuse (AWSEC2 user guide, efa-acc-inst-types).

    Raises:
        AwsError: the primary interface is none, a place is taken twice, the type has no such card or too few EFAs, or
            several interfaces ask for a public address.

    """
    places = [(nic["NetworkCardIndex"], nic["DeviceIndex"]) for nic in nics]
    if places[0] != (0, 0) or nics[0]["InterfaceType"] == "efa-only":
        raise AwsError("InvalidParameterValue", "The interface at card 0, device 0 is primary and must have addresses.")
    if len(set(places)) < len(places):
        raise AwsError("InvalidParameterValue", "Each network interface requires a unique card and device index.")
    if len(nics) > 1 and any(nic.get("AssociatePublicIpAddress") for nic in nics):
        raise AwsError(
            "InvalidParameterCombination",
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network "
            "interfaces.",
        )
    facts = region.ec2.describe_instance_types([instance_type])[0]["NetworkInfo"]
    if places[-1][0] >= facts.get("MaximumNetworkCards", 1):
        raise AwsError("InvalidParameterValue", f"Network card {places[-1][0]} does not exist on '{instance_type}'.")
    efas = sum(nic["InterfaceType"] in _EFA for nic in nics)
    if efas > facts.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0):
        raise AwsError("AttachmentLimitExceeded", f"'{instance_type}' does not take {efas} EFA interfaces.")


def check_network(region: Region, nics: list[Parameters]) -> str:
    """Refuse security groups of another VPC and interfaces in several zones; return the zone."""
    zones = set()
    for nic in nics:
        subnet = region.subnet(nic["SubnetId"])
        zones.add(subnet.availability_zone)
        for group_id in nic.get("Groups", []):
            group = region.ec2.get_security_group_from_id(group_id)
            if group is None:
                raise AwsError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
            if group.vpc_id != subnet.vpc_id:
                message = f"Security group {group_id} and subnet {subnet.id} belong to different networks."
                raise AwsError("InvalidParameter", message)
    if len(zones) > 1:
        raise AwsError("InvalidParameterValue", "All network interfaces must be in one availability zone.")
    return str(zones.pop())


def check_type(region: Region, instance_type: str, zone: str) -> None:
    """Refuse an instance type that does not exist, or not here."""
    if not region.offers(instance_type):
        raise AwsError("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    if not region.offers(instance_type, zone):
        raise AwsError(
            "Unsupported",
            f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone "
            f"({zone}).",
        )


def check_placement(region: Region, launch: Parameters, zone: str) -> str:
    """Refuse an unknown placement group or another zone; return the group's name, empty for none."""
    placement = launch.get("Placement", {})
    if placement.get("AvailabilityZone", zone) != zone:
        raise AwsError("InvalidParameterValue", f"The subnet is not in '{placement['AvailabilityZone']}'.")
    name = placement.get("GroupName", "")
    return placement_groups.get(region, name).name if name else ""


def check_capacity(region: Region, launch: Parameters, zone: str, count: int) -> str | None:
    """Refuse capacity that is not there; return the reservation that the launch uses, if any."""
    market = launch.get("InstanceMarketOptions", {}).get("MarketType", "on-demand")
    specification = launch.get("CapacityReservationSpecification", {})
    target = specification.get("CapacityReservationTarget", {}).get("CapacityReservationId")
    if market == "capacity-block" and not target:
        raise AwsError("InvalidParameterCombination", "A Capacity Block is launched into by its reservation's ID.")
    if target:
        return _check_target(region, launch, zone, count, target)
    if specification.get("CapacityReservationPreference", "open") == "none" or market != "on-demand":
        chosen = None
    else:
        chosen = _open_reservation(region, launch["InstanceType"], zone, count)
    if chosen is None and specification.get("CapacityReservationPreference") == "capacity-reservations-only":
        raise AwsError("ReservationCapacityExceeded", "No capacity reservation matches, and only one may be used.")
    if market == "on-demand":
        quotas.check_vcpus(region, launch["InstanceType"], count)
    return chosen


def _check_target(region: Region, launch: Parameters, zone: str, count: int, target: str) -> str:
    reservation = capacity_reservations.get(region, target)
    state = reservation.state(region.now())
    block = launch.get("InstanceMarketOptions", {}).get("MarketType") == "capacity-block"
    if state == "scheduled":
        raise AwsError("InvalidCapacityReservationState.PendingActivation", "Your Capacity Block is not active yet.")
    if state != "active":
        raise AwsError("IncorrectState", f"The capacity reservation '{target}' is {state}.")
    if (reservation.instance_type, reservation.zone) != (launch["InstanceType"], zone):
        raise AwsError(
            "InvalidParameterValue",
            f"'{target}' reserves {reservation.instance_type} in {reservation.zone}, not {launch['InstanceType']} "
            f"in {zone}.",
        )
    if block != (reservation.block_id is not None):
        raise AwsError("InvalidParameterValue", f"MarketType 'capacity-block' does not fit '{target}'.")
    if reservation.count - capacity_reservations.used(region, target) < count:
        raise AwsError("ReservationCapacityExceeded", f"'{target}' has not enough available instances.")
    return target


def _open_reservation(region: Region, instance_type: str, zone: str, count: int) -> str | None:
    for one in region.part(capacity_reservations.Reservations).by_id.values():
        matches = one.match == "open" and (one.instance_type, one.zone) == (instance_type, zone)
        free = one.count - capacity_reservations.used(region, one.id)
        if matches and one.state(region.now()) == "active" and free >= count:
            return one.id
    return None
