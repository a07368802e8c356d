"""Which machine carries the model, and where it stands."""

from __future__ import annotations

import ipaddress

import msgspec

from planner.capacity import check_choice
from planner.catalogue import Catalogue, Host
from planner.division import SPANNED_NODE_GPUS, machines_for, nodes_of
from planner.errors import PlanError
from planner.jurisdiction import misfits
from planner.plan import Decision, GivenNetworkPlan, InterfacePlan, NetworkPlan, NodePlan, SubnetPlan
from planner.profile import GivenNetworkSection, Profile
from planner.replica import FittedReplica

DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""Public SSM parameter of the image with NVIDIA's open driver (AWS Deep Learning AMI release notes, 2026)."""
GATEWAY_PORT = 443
INTERFACE_ENDPOINTS = ("kms", "logs", "secretsmanager", "sts")
"""What a node without a route to the internet calls: keys, logs, secrets and its own identity."""
SUBNET_PREFIX = 20
"""4,094 addresses: room for 50 addresses on each of 64 interfaces of one large node."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """How many replicas there are, and on how many nodes they stand."""

    replicas: int
    nodes: int
    decisions: tuple[Decision, ...]


def choose_host(profile: Profile, catalogue: Catalogue) -> tuple[Host, str]:
    """Return the machine, and why.

    Raises:
        PlanError: no machine in the region carries a replica.

    """
    wanted, region = profile.hardware, profile.aws.region
    if profile.aws.instance_type:
        host = catalogue.host(profile.aws.instance_type)
        _check(host, profile)
        return host, "named in the profile"
    total = wanted.count * (wanted.replicas or 1)
    rented = [h for h in catalogue.hosts.values() if h.provider == "aws" and h.gpu == wanted.gpu]
    fitting = [h for h in rented if nodes_of(wanted.count, h.gpus)]
    here = [h for h in fitting if region in h.zones]
    if not here:
        raise _nowhere(profile, rented, fitting)
    # One node for everything if there is such a type, else the largest; of equals the one that is listed first.
    host = min(here, key=lambda h: (h.gpus < total, h.gpus if h.gpus >= total else -h.gpus))
    if wanted.count > host.gpus:
        return host, f"the largest instance type in {region} with {wanted.gpu}; nodes are joined by EFA"
    return host, f"the smallest instance type in {region} with {_needed(profile)}"


def _nowhere(profile: Profile, rented: list[Host], fitting: list[Host]) -> PlanError:
    """Say what there is instead."""
    wanted, region = profile.hardware, profile.aws.region
    elsewhere = sorted({r for h in fitting for r in h.zones})
    if elsewhere:
        hint = f"Set `aws.region` to one of: {', '.join(elsewhere)}."
    elif rented:
        hint = (
            f"The largest AWS node with {wanted.gpu} has {max(h.gpus for h in rented)}: set `hardware.count` to at "
            f"most that, or to a multiple of {SPANNED_NODE_GPUS} where nodes have so many."
        )
    else:
        hint = f"AWS rents no {wanted.gpu}; `deploy size` and `deploy cost` price other machines."
    return PlanError(f"no AWS instance type in {region} has {wanted.count} {wanted.gpu} GPUs", hint=hint)


def check_provider(profile: Profile, host: Host, catalogue: Catalogue) -> None:
    """Refuse a provider that does not fit the data.

    Raises:
        PlanError: where the machines stand or whose law controls them does not fit, with every reason.

    """
    provider, data = catalogue.providers[host.provider], profile.data
    reasons = misfits(
        provider,
        data=data.level,
        region=profile.aws.region,
        residency=data.residency,
        control=data.control,
        certificates=data.certificates,
    )
    if reasons:
        raise PlanError(
            f"{provider.title} does not fit data of class {data.level}: {'; '.join(reasons)}",
            hint="Choose a region that fits, or machines of your own or of another provider (`deploy cost --target "
            "metal`); or change `[data]` if it says more than is meant.",
            code="provider_does_not_fit",
        )


def place_replicas(profile: Profile, host: Host, fitted: FittedReplica) -> Placed:
    """Settle how many replicas there are, and how many nodes they take.

    Raises:
        PlanError: the demand cannot be met by any number of replicas, or takes too many.

    """
    wanted = profile.hardware
    replicas, why = fitted.replicas
    room, span = host.gpus // wanted.count, nodes_of(wanted.count, host.gpus)
    nodes = machines_for(replicas, wanted.count, host.gpus)
    if nodes > span:
        raise PlanError(
            f"{replicas} replicas of {wanted.count} GPUs take {nodes} nodes of {host.gpus}",
            hint=f"Set `hardware.replicas` to at most {max(room, 1)}: all replicas of a stack stand on one node, and "
            "a replica that spans nodes is alone.",
            code="several_nodes",
        )
    decisions = []
    if span > 1:
        why_span = f"no node of {host.gpus} GPUs holds the replica; EFA joins the nodes, in one placement group"
        decisions.append(Decision(what="nodes", choice=f"{span}, for one replica", why=why_span))
    if replicas > 1 or profile.demand:
        decisions.append(Decision(what="replicas", choice=f"{replicas}, on {wanted.count} GPUs each", why=why))
    idle = nodes * host.gpus - replicas * wanted.count
    if idle:
        fill = nodes * room
        more = f"`hardware.replicas = {fill}` uses {fill * wanted.count} of them"
        rest = more if fill > replicas else "the rest holds no further replica"
        decisions.append(
            Decision(
                what="idle GPUs",
                choice=f"{idle} of {nodes * host.gpus}",
                why=f"AWS sells {host.name} whole: it is billed whole; {rest}",
            )
        )
    return Placed(replicas=replicas, nodes=nodes, decisions=tuple(decisions))


def _needed(profile: Profile) -> str:
    """Say how many GPUs are wanted in all."""
    wanted = profile.hardware
    counted = f"{wanted.replicas} x {wanted.count}" if (wanted.replicas or 1) > 1 else f"{wanted.count}"
    return f"{counted} {wanted.gpu}"


def _carries(host: Host, count: int, replicas: int) -> bool:
    """Return whether a node, or the nodes of one replica, have room for all."""
    return host.gpus >= count * replicas or (replicas == 1 and nodes_of(count, host.gpus) > 0)


def _check(host: Host, profile: Profile) -> None:
    wanted, region = profile.hardware, profile.aws.region
    if host.provider != "aws":
        raise PlanError(
            f"`aws.instance_type`: {host.name} is no instance type of AWS", hint="Leave it empty to have one chosen."
        )
    if host.gpu != wanted.gpu or not _carries(host, wanted.count, wanted.replicas or 1):
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
    vpc = _network_of(profile.network.vpc_cidr)
    if vpc.version != 4 or not 16 <= vpc.prefixlen <= SUBNET_PREFIX:
        raise PlanError(f"`network.vpc_cidr`: {vpc} is not an IPv4 network of /16 to /{SUBNET_PREFIX}")
    check_client_cidrs(profile)
    if profile.aws.network:
        return _given_network(profile, profile.aws.network)
    zones = _zones(profile, host)
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
        client_prefix_lists=profile.network.client_prefix_lists,
        gateway_port=GATEWAY_PORT,
        gateway_endpoints=("s3",),
        interface_endpoints=INTERFACE_ENDPOINTS,
    )


def check_client_cidrs(profile: Profile) -> None:
    """Refuse clients' networks that are none, or that there is none.

    Raises:
        PlanError: it is so.

    """
    for cidr in profile.network.client_cidrs:
        _network_of(cidr)
    if not profile.network.client_cidrs and not profile.network.client_prefix_lists:
        raise PlanError(
            "`network`: no client may reach the endpoint",
            hint="Name a network in `client_cidrs`, or a prefix list in `client_prefix_lists`.",
        )


def _network_of(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(cidr)
    except ValueError as error:
        raise PlanError(f"`network`: {error}", hint="Write a network as 10.42.0.0/16, with no host bits set.") from None


def _zones(profile: Profile, host: Host) -> tuple[str, ...]:
    """Return the zones that offer the machine, the one that the profile names first.

    Raises:
        PlanError: that one does not.

    """
    offering, named = host.zones[profile.aws.region], profile.aws.zone
    if named and named not in offering:
        raise PlanError(
            f"`aws.zone`: {host.name} is not offered in {named} (as of {host.as_of})",
            hint=f"Zones of {profile.aws.region} that offer it: {', '.join(offering)}.",
        )
    return tuple(sorted(offering, key=lambda zone: zone != named)) if named else tuple(offering)


def _given_network(profile: Profile, given: GivenNetworkSection) -> NetworkPlan:
    """Take a company's network as it is said to be; the program checks it in the account.

    Raises:
        PlanError: an endpoint that nodes need is not named, or one is named that they do not.

    """
    needed = {"s3", *INTERFACE_ENDPOINTS}
    if missing := sorted(needed - given.endpoints.keys()):
        raise PlanError(
            f"`aws.network.endpoints`: none for {', '.join(missing)}, without which a node reaches no such service",
            hint=f'Add it under [aws.network.endpoints]: {missing[0]} = "vpce-...".',
        )
    if strange := sorted(given.endpoints.keys() - needed):
        raise PlanError(f"`aws.network.endpoints`: nodes do not call {', '.join(strange)}", hint="Leave it out.")
    return NetworkPlan(
        region=profile.aws.region,
        vpc_cidr="",
        subnets=tuple(SubnetPlan(name=subnet_id, cidr="", zone="") for subnet_id in given.subnet_ids),
        client_cidrs=profile.network.client_cidrs,
        client_prefix_lists=profile.network.client_prefix_lists,
        gateway_port=GATEWAY_PORT,
        gateway_endpoints=("s3",),
        interface_endpoints=INTERFACE_ENDPOINTS,
        given=GivenNetworkPlan(
            vpc_id=given.vpc_id,
            subnet_ids=given.subnet_ids,
            endpoints=given.endpoints,
            endpoint_group_ids=given.endpoint_group_ids,
        ),
    )


def plan_nodes(profile: Profile, host: Host, network: NetworkPlan, placed: Placed) -> tuple[NodePlan, ...]:
    """Describe the nodes, and what joins those that one replica spans.

    Raises:
        PlanError: the way to have machines does not go with the profile.

    """
    check_choice(profile, host.name)
    return tuple(_node(profile, host, network, number) for number in range(placed.nodes))


def _node(profile: Profile, host: Host, network: NetworkPlan, number: int) -> NodePlan:
    spans = profile.hardware.count > host.gpus
    # EFA does not leave its subnet; nodes that have nothing to say to each other stand in several zones.
    subnet = network.subnets[0 if spans else number % len(network.subnets)]
    return NodePlan(
        name=f"node-{number}",
        instance_type=host.name,
        subnet=subnet.name,
        gpus=host.gpus,
        ami_parameter=DLAMI,
        root_volume_gib=profile.aws.root_volume_gib,
        interfaces=node_interfaces(host, spans=spans),
        capacity=profile.aws.capacity,
        reservation_id=profile.aws.reservation_id,
        placement_group=spans,
    )


def node_interfaces(host: Host, *, spans: bool) -> tuple[InterfacePlan, ...]:
    """Return a node's network interfaces: one plain one, and EFA where a replica spans nodes.

    An interface for EFA alone cannot be the first one: on card 0 it is the second device, on every other card the
    first. It has no address (EC2 user guide, "EFA-only interfaces"). Elsewhere EFA would only widen the attack surface.
    """
    primary = InterfacePlan(device_index=0, network_card_index=0, kind="interface")
    cards = range(host.efa_interfaces if spans else 0)
    efa = (InterfacePlan(device_index=0 if card else 1, network_card_index=card, kind="efa-only") for card in cards)
    return (primary, *efa)
