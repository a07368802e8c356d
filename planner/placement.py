"""Which machine carries the model, and where it stands."""

from __future__ import annotations

import ipaddress

from planner.catalogue import Catalogue, Host
from planner.errors import PlanError
from planner.plan import Decision, InterfacePlan, NetworkPlan, NodePlan, SubnetPlan
from planner.profile import Profile

DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""Public SSM parameter of the image with NVIDIA's open driver (AWS Deep Learning AMI release notes, 2026)."""
GATEWAY_PORT = 443
INTERFACE_ENDPOINTS = ("kms", "logs", "secretsmanager", "sts")
"""What a node without a route to the internet calls: keys, logs, secrets and its own identity."""
SUBNET_PREFIX = 20
"""4,094 addresses: room for 50 addresses on each of 64 interfaces of one large node."""


def choose_host(profile: Profile, catalogue: Catalogue) -> tuple[Host, tuple[Decision, ...]]:
    """Return the machine, and why.

    Raises:
        PlanError: no machine in the region carries that many of these GPUs.

    """
    wanted, region = profile.hardware, profile.aws.region
    total = wanted.count * wanted.replicas
    if profile.aws.instance_type:
        host = catalogue.host(profile.aws.instance_type)
        _check(host, profile)
        reason = "named in the profile"
    else:
        fitting = [h for h in catalogue.hosts.values() if h.gpu == wanted.gpu and h.gpus >= total]
        here = [h for h in fitting if region in h.zones]
        if not here:
            elsewhere = sorted({r for h in fitting for r in h.zones})
            raise PlanError(
                f"no AWS instance type in {region} has {_needed(profile)} GPUs",
                hint=f"Set `aws.region` to one of: {', '.join(elsewhere)}."
                if elsewhere
                else "Set `hardware.count` or `hardware.replicas` lower: all replicas stand on one node.",
            )
        host = min(here, key=lambda h: h.gpus)  # of equals the one that the catalogue lists first
        reason = f"the smallest instance type in {region} with {_needed(profile)}"
    decisions = [Decision(what="instance type", choice=host.name, why=reason)]
    if wanted.replicas > 1:
        decisions.append(
            Decision(
                what="replicas",
                choice=f"{wanted.replicas}, on {wanted.count} GPUs each",
                why="`hardware.replicas` of the profile; the gateway gives each request to the least busy one",
            )
        )
    if host.gpus > total:
        idle = host.gpus - total
        fill = host.gpus // wanted.count
        more = f"`hardware.replicas = {fill}` uses {fill * wanted.count} of them"
        room = more if fill > wanted.replicas else "the rest holds no further replica"
        decisions.append(
            Decision(
                what="idle GPUs",
                choice=f"{idle} of {host.gpus}",
                why=f"AWS sells {host.name} whole: it is billed whole; {room}",
            )
        )
    return host, tuple(decisions)


def _needed(profile: Profile) -> str:
    """Say how many GPUs are wanted in all."""
    wanted = profile.hardware
    counted = f"{wanted.replicas} x {wanted.count}" if wanted.replicas > 1 else f"{wanted.count}"
    return f"{counted} {wanted.gpu}"


def _check(host: Host, profile: Profile) -> None:
    wanted, region = profile.hardware, profile.aws.region
    if host.gpu != wanted.gpu or host.gpus < wanted.count * wanted.replicas:
        raise PlanError(
            f"`aws.instance_type`: {host.name} has {host.gpus} {host.gpu}, the profile wants {_needed(profile)}",
            hint="Leave `aws.instance_type` empty to have one chosen.",
        )
    if region not in host.zones:
        raise PlanError(
            f"`aws.region`: {host.name} is not offered in {region} (as of {host.as_of})",
            hint=f"Regions that offer it: {', '.join(sorted(host.zones))}.",
        )


def plan_network(profile: Profile, host: Host) -> NetworkPlan:
    """Cut the VPC's range into one private subnet per zone that offers the machine.

    Raises:
        PlanError: the range is no network, is too small, or the region has too few zones.

    """
    try:
        vpc = ipaddress.ip_network(profile.network.vpc_cidr)
        for cidr in profile.network.client_cidrs:
            ipaddress.ip_network(cidr)
    except ValueError as error:
        raise PlanError(f"`network`: {error}", hint="Write a network as 10.42.0.0/16, with no host bits set.") from None
    if vpc.version != 4 or not 16 <= vpc.prefixlen <= SUBNET_PREFIX:
        raise PlanError(f"`network.vpc_cidr`: {vpc} is not an IPv4 network of /16 to /{SUBNET_PREFIX}")
    zones = host.zones[profile.aws.region]
    blocks = list(vpc.subnets(new_prefix=SUBNET_PREFIX))
    if profile.network.zones > min(len(zones), len(blocks)):
        raise PlanError(
            f"`network.zones`: {profile.network.zones} zones wanted, {host.name} is offered in {len(zones)} zones of "
            f"{profile.aws.region} and {vpc} holds {len(blocks)} subnets",
        )
    pairs = zip(zones[: profile.network.zones], blocks, strict=False)
    return NetworkPlan(
        region=profile.aws.region,
        vpc_cidr=str(vpc),
        subnets=tuple(SubnetPlan(name=f"private-{zone[-1]}", cidr=str(block), zone=zone) for zone, block in pairs),
        client_cidrs=profile.network.client_cidrs,
        gateway_port=GATEWAY_PORT,
        gateway_endpoints=("s3",),
        interface_endpoints=INTERFACE_ENDPOINTS,
    )


def plan_node(profile: Profile, host: Host, network: NetworkPlan) -> NodePlan:
    """Describe the node: one plain interface, since no replica spans nodes, so EFA would only widen the attack surface.

    Raises:
        PlanError: a reservation is wanted and none is named.

    """
    if profile.aws.capacity != "on-demand" and not profile.aws.reservation_id:
        raise PlanError(
            f'`aws.reservation_id` is needed with `aws.capacity = "{profile.aws.capacity}"`',
            hint="Name the reservation or capacity block: cr-0123456789abcdef0.",
        )
    return NodePlan(
        name="node-0",
        instance_type=host.name,
        subnet=network.subnets[0].name,
        gpus=host.gpus,
        ami_parameter=DLAMI,
        root_volume_gib=profile.aws.root_volume_gib,
        interfaces=(InterfacePlan(device_index=0, network_card_index=0, kind="interface"),),
        capacity=profile.aws.capacity,
        reservation_id=profile.aws.reservation_id,
        placement_group=False,
    )
