"""What a stack stands on: machines of an account, or hosts that somebody has. One record, whichever it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from planner.account import check_tag_keys, plan_account
from planner.capacity import capacity_decision
from planner.catalogue import Catalogue, Gpu, Host
from planner.consumers import consumer_decisions, plan_consumers
from planner.cost import hourly_cost
from planner.deadline import Lifetime, alarm_decisions, deadline_decisions, plan_alarm, plan_deadline
from planner.metal import (
    metal_account,
    metal_bundle,
    metal_cost,
    metal_decisions,
    metal_machine,
    metal_network,
    metal_placed,
)
from planner.placement import check_provider, choose_host, place_replicas, plan_network, plan_nodes
from planner.plan import (
    AccountPlan,
    AlarmPlan,
    BundlePlan,
    ConsumersPlan,
    CostPlan,
    DeadlinePlan,
    Decision,
    GivenNetworkPlan,
    HostPlan,
    LogsPlan,
    NetworkPlan,
    NodePlan,
    PrivateNamePlan,
    SecretRef,
    Target,
)
from planner.profile import Profile
from planner.replica import FittedReplica
from planner.standing import Standing, with_standing
from planner.transfer import plan_bundle, transfer_decision


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a plan that depends on where its machines come from.

    Attributes:
        replicas: of the engine; on the target `metal`, on each host.
        machine: why it is this one, in words that stand before those of the replicas.

    """

    replicas: int
    account: AccountPlan
    network: NetworkPlan
    bundle: BundlePlan
    consumers: ConsumersPlan = ConsumersPlan()
    nodes: tuple[NodePlan, ...] = ()
    hosts: tuple[HostPlan, ...] = ()
    cost: CostPlan
    deadline: DeadlinePlan | None = None
    alarm: AlarmPlan | None = None
    machine: tuple[Decision, ...]
    surroundings: tuple[Decision, ...]


class Land(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of where a stack is to stand, besides its profile."""

    stack: str
    target: Target
    account: str
    lifetime: Lifetime | None
    hosts: tuple[HostPlan, ...]
    logs: LogsPlan
    secrets: tuple[SecretRef, ...]
    private_name: PrivateNamePlan | None


Settle = Callable[[FittedReplica, float], Ground]
"""From a replica that fits, and the GiB of its weights, to the ground for all of them."""


def find_machine(profile: Profile, catalogue: Catalogue, gpu: Gpu, land: Land) -> tuple[Host, Settle]:
    """Return the machine that a replica must fit, and what settles the rest once it is known to fit.

    Raises:
        PlanError: there is no machine that could carry it.

    """
    if land.target == "metal":
        machine = metal_machine(profile, gpu, land.hosts)
        return machine, lambda fitted, weights: _hosts(profile, land, machine, fitted, weights)
    machine, why = choose_host(profile, catalogue)
    return machine, lambda fitted, weights: _account(
        profile, catalogue, land, machine=machine, why=why, fitted=fitted, weights_gib=weights
    )


def _hosts(profile: Profile, land: Land, machine: Host, fitted: FittedReplica, weights_gib: float) -> Ground:
    placed, network = metal_placed(profile, machine, land.hosts, fitted), metal_network(profile)
    return Ground(
        replicas=placed.replicas,
        account=metal_account(),
        network=network,
        bundle=metal_bundle(profile, weights_gib),
        hosts=land.hosts,
        cost=metal_cost(),
        machine=placed.decisions,
        surroundings=metal_decisions(profile, network, land.hosts),
    )


def _account(
    profile: Profile,
    catalogue: Catalogue,
    land: Land,
    *,
    machine: Host,
    why: str,
    fitted: FittedReplica,
    weights_gib: float,
) -> Ground:
    placed = place_replicas(profile, machine, fitted)
    check_provider(profile, machine, catalogue)
    network = plan_network(profile, machine)
    consumers = plan_consumers(profile, land.stack)
    bundle = plan_bundle(profile.bundle, weights_gib, machine, catalogue)
    nodes = plan_nodes(profile, machine, network, placed)
    cost = with_standing(
        hourly_cost(profile.aws, machine, catalogue, nodes=placed.nodes, target=land.target),
        Standing(
            network=network,
            nodes=nodes,
            secrets=land.secrets,
            logs=land.logs,
            bundle=bundle,
            consumers=consumers,
            private_name=land.private_name,
        ),
        catalogue,
        land.target,
    )
    deadline = plan_deadline(land.lifetime, cost, profile.aws.capacity)
    if deadline:
        check_tag_keys(profile.tags)
    alarm = plan_alarm(profile.lifetime, deadline, profile.aws.region)
    return Ground(
        replicas=placed.replicas,
        account=plan_account(profile, land.stack, land.account),
        network=network,
        bundle=bundle,
        consumers=consumers,
        nodes=nodes,
        cost=cost,
        deadline=deadline,
        alarm=alarm,
        machine=(
            Decision(what="instance type", choice=machine.name, why=why),
            capacity_decision(profile.aws),
            *deadline_decisions(deadline, profile.aws.capacity),
            *alarm_decisions(alarm),
            *placed.decisions,
        ),
        surroundings=(
            *_network_decisions(network),
            *consumer_decisions(consumers),
            transfer_decision(bundle),
        ),
    )


def _network_decisions(network: NetworkPlan) -> tuple[Decision, ...]:
    if network.given:
        return _given_network_decisions(network.region, network.given)
    zones = ", ".join(subnet.zone for subnet in network.subnets)
    return (
        Decision(
            what="region",
            choice=f"{network.region} ({zones})",
            why="named in the profile; zones that offer the machine",
        ),
        Decision(
            what="network",
            choice=f"{network.vpc_cidr}, private subnets only",
            why="no internet gateway and no NAT: nothing outside can be reached, and nothing outside reaches in",
        ),
        Decision(
            what="endpoints",
            choice=", ".join((*network.gateway_endpoints, *network.interface_endpoints)),
            why="the AWS services that a node calls, each by a private endpoint",
        ),
    )


def _given_network_decisions(region: str, given: GivenNetworkPlan) -> tuple[Decision, ...]:
    subnets, endpoints = ", ".join(given.subnet_ids), ", ".join(f"{k} {v}" for k, v in given.endpoints.items())
    why = "given in the profile: read, checked and left alone"
    return (
        Decision(what="region", choice=region, why="named in the profile"),
        Decision(what="network", choice=f"{given.vpc_id}, {subnets}", why=why),
        Decision(what="endpoints", choice=endpoints, why=why),
    )
