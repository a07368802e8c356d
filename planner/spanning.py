"""What each node of a replica that spans several runs, and what these nodes may say to each other."""

from __future__ import annotations

import msgspec

from planner.engine_args import MASTER_PORT
from planner.plan import HostPlan, Plan, Service

MEETING_PORT = 29502
"""Where the nodes of a replica wait for each other, on the first one."""
ANY_FREE_PORT = (32768, 60999)
"""Linux's own range for ports that nobody named (ip-sysctl.rst, ip_local_port_range): NCCL, Gloo and vLLM's message
queues listen there, each on what it is given."""


class PeerPorts(msgspec.Struct, frozen=True, kw_only=True):
    """TCP ports on which nodes of a replica reach each other."""

    name: str
    first: int
    last: int


PEER_PORTS = (
    PeerPorts(name="replica meets", first=MEETING_PORT, last=MEETING_PORT),
    PeerPorts(name="replica joins", first=MASTER_PORT, last=MASTER_PORT),
    PeerPorts(name="replica computes", first=ANY_FREE_PORT[0], last=ANY_FREE_PORT[1]),
)
"""All of them. What EFA carries does not come by the kernel: the nodes' security group alone says who hears that."""


def peers_of(plan: Plan, host: HostPlan) -> tuple[str, ...]:
    """Return the addresses of the other nodes of a host's replica; none where it has no others."""
    return tuple(one.address for one in plan.hosts if one.name != host.name) if plan.followers else ()


def head_of(plan: Plan) -> HostPlan:
    """Return the node that serves, of a plan whose hosts are known.

    Raises:
        StopIteration: none of its hosts does.

    """
    return next(host for host in plan.hosts if host.rank == 0)


def heads_of(plan: Plan) -> tuple[HostPlan, ...]:
    """Return the hosts that serve clients: every host, but for the further nodes of a replica."""
    return tuple(host for host in plan.hosts if host.rank == 0)


def services_of(plan: Plan, host: HostPlan, interface: str = "") -> tuple[Service, ...]:
    """Return what a host runs: all services, or of a replica's further nodes the engine there alone.

    Args:
        plan: whose hosts have their addresses.
        host: one of them.
        interface: its network interface that has its address.

    """
    if not plan.followers:
        return plan.services
    words = {"{node-0}": head_of(plan).address, "{address}": host.address, "{interface}": interface}
    runs = (plan.followers[host.rank - 1],) if host.rank else plan.services
    return tuple(_filled(service, words) for service in runs)


def part_of(plan: Plan, host: HostPlan) -> Plan:
    """Return the plan as if there were no more to it than what one host runs."""
    return msgspec.structs.replace(plan, services=services_of(plan, host))


def _filled(service: Service, words: dict[str, str]) -> Service:
    def fill(text: str) -> str:
        for placeholder, word in words.items():
            text = text.replace(placeholder, word)
        return text

    return msgspec.structs.replace(
        service,
        args=tuple(map(fill, service.args)),
        env={name: fill(value) for name, value in service.env.items()},
    )
