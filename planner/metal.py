"""What a plan for machines of one's own, or rented ones that are reached by SSH, says of them: no account, no price."""

from __future__ import annotations

import ipaddress

import msgspec

from planner.catalogue import Gpu, Host
from planner.errors import PlanError
from planner.layout import BUNDLE_WEIGHTS, BUNDLES
from planner.model_choice import ChosenModel
from planner.placement import GATEWAY_PORT, Placed, check_client_cidrs
from planner.plan import AccountPlan, BundlePlan, CostPlan, Decision, HostPlan, NetworkPlan
from planner.profile import Profile
from planner.ranges import Range
from planner.replica import FittedReplica
from planner.units import GIB


def metal_machine(profile: Profile, gpu: Gpu, hosts: tuple[HostPlan, ...]) -> Host:
    """Describe the machine that every host of the plan is at least.

    Raises:
        PlanError: there is no host, one is called as another, publishes nowhere, or lacks GPUs.

    """
    wanted = profile.hardware
    needed = wanted.count * (wanted.replicas or 1)
    if not hosts:
        raise PlanError("no host is named", hint="Give an inventory: --inventory FILE, or --host USER@ADDRESS.")
    for number, host in enumerate(hosts):
        _check_host(host, hosts[:number])
        if host.gpus < needed and not profile.engine.stand_in:
            raise PlanError(
                f"{host.name} has {host.gpus} GPUs, the profile wants {needed} {gpu.name}",
                hint="Each host runs the whole stack by itself, and a replica does not span hosts: leave the host out, "
                "or choose a profile that fits it.",
                code="too_few_gpus",
            )
    count = needed if profile.engine.stand_in else min(host.gpus for host in hosts)
    return Host(
        name="metal",
        title="the hosts of the inventory",
        provider="own",
        kind="server",
        gpu=gpu.name,
        gpus=count,
        link=gpu.link if count > 1 else "none",
        source="the inventory, and what the hosts say of themselves",
        as_of=gpu.as_of,
        verified=False,
    )


def _check_host(host: HostPlan, before: tuple[HostPlan, ...]) -> None:
    if host.name in {other.name for other in before}:
        raise PlanError(f"two hosts are called {host.name}", hint="Name each host once.")
    if not host.address and not host.interface:
        raise PlanError(
            f"{host.name}: neither an address nor an interface is named on which clients reach the endpoint",
            hint="Name one of them: the endpoint listens there alone.",
        )
    try:
        address = ipaddress.ip_address(host.address) if host.address else None
    except ValueError:
        raise PlanError(f"{host.name}: {host.address!r} is no IP address", hint="Write it out in full.") from None
    if address is not None and (address.is_unspecified or address.is_multicast):
        raise PlanError(f"{host.name}: nothing listens on {address} alone", hint="Name an address of the host.")


def metal_placed(profile: Profile, machine: Host, hosts: tuple[HostPlan, ...], fitted: FittedReplica) -> Placed:
    """Settle how many replicas each host runs.

    Raises:
        PlanError: the demand takes more of them than a host carries.

    """
    replicas, why = fitted.replicas
    needed = replicas * profile.hardware.count
    if needed > machine.gpus and not profile.engine.stand_in:
        raise PlanError(
            f"{replicas} replicas take {needed} GPUs, each host has {machine.gpus}",
            hint=f"Set `hardware.replicas` to at most {machine.gpus // profile.hardware.count}: each host runs the "
            "whole stack by itself.",
            code="too_few_gpus",
        )
    decisions = [
        Decision(
            what="hosts",
            choice=", ".join(host.name for host in hosts),
            why="named in the inventory; each runs the whole stack by itself, and clients may ask any of them",
        )
    ]
    if replicas > 1 or profile.demand:
        decisions.append(Decision(what="replicas", choice=f"{replicas} on each host", why=why))
    return Placed(replicas=replicas, nodes=len(hosts), decisions=tuple(decisions))


def metal_network(profile: Profile) -> NetworkPlan:
    """Say who may reach the endpoint; the network itself is the operator's.

    Raises:
        PlanError: a client's network is none, or only AWS could resolve it.

    """
    check_client_cidrs(profile)
    if profile.network.client_prefix_lists:
        raise PlanError(
            "`network.client_prefix_lists`: a host's firewall knows no prefix lists of AWS",
            hint="Name the networks in `network.client_cidrs`.",
        )
    return NetworkPlan(
        region="",
        vpc_cidr="",
        subnets=(),
        client_cidrs=profile.network.client_cidrs,
        gateway_port=GATEWAY_PORT,
        gateway_endpoints=(),
        interface_endpoints=(),
    )


def metal_account() -> AccountPlan:
    """Say that there is none."""
    return AccountPlan(permission_boundary="", role_name_prefix="")


def metal_bundle(profile: Profile, weights_gib: float) -> BundlePlan:
    """Settle where a bundle lies on a host; how long it takes there, nobody can know before."""
    return BundlePlan(
        id=profile.bundle.id,
        store=BUNDLES,
        processes=1,
        weights_bytes=round(weights_gib * GIB),
        pull_s=Range.exactly(0.0),
        pull_limit="",
    )


def from_bundle(chosen: ChosenModel) -> ChosenModel:
    """Return the model as a host loads it: from its bundle, unless the profile names a folder of the host."""
    if chosen.source.startswith("/"):
        return chosen
    return msgspec.structs.replace(chosen, source=f"{BUNDLE_WEIGHTS}/{chosen.name}", revision="")


def metal_cost() -> CostPlan:
    """Say that what the hosts cost is not known here."""
    return CostPlan(
        usd_per_hour=None,
        usd_per_hour_on_aws=None,
        basis="hosts of one's own, or rented elsewhere: `deploy cost --target metal` prices such machines",
        as_of="",
        verified=False,
    )


def metal_decisions(profile: Profile, network: NetworkPlan, hosts: tuple[HostPlan, ...]) -> tuple[Decision, ...]:
    """Say what stands where others have a network and an account."""
    where = "; ".join(f"{host.name}: {_published(host)} port {network.gateway_port}" for host in hosts)
    decisions = [
        Decision(what="endpoint", choice=where, why="the only port that anything but SSH is reached on"),
        Decision(
            what="clients", choice=", ".join(network.client_cidrs), why="`network.client_cidrs`: others meet a firewall"
        ),
        Decision(
            what="data",
            choice=profile.data.level,
            why="where these hosts stand, and whose law binds whoever controls them, is the operator's to know",
        ),
    ]
    if profile.lifetime.ttl or profile.lifetime.max_cost_usd:
        why = "nobody bills these hosts through us, and nothing may end them but their operator: `deploy down`"
        decisions.append(Decision(what="deadline", choice="none", why=why))
    return tuple(decisions)


def _published(host: HostPlan) -> str:
    return " on ".join(part for part in (host.address, host.interface) if part)
