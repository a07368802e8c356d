"""A stack on hosts as probes see it: each host's endpoint, straight or through SSH, and its inner ports through SSH."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from lifecycle.hosts.kept import KeptHosts
from lifecycle.hosts.ssh import Login
from lifecycle.hosts.way_in import LOOPBACK, reaches, tunnel
from lifecycle.probes.base import Subject
from lifecycle.stack import Stack
from planner.plan import HostPlan


@contextlib.contextmanager
def endpoint_of(stack: Stack, kept: KeptHosts, planned: HostPlan, login: Login) -> Iterator[tuple[str, dict[int, int]]]:
    """Yield the address of a host's endpoint, and port of the plan -> port of this machine where a tunnel leads there.

    A node in AWS is asked through its tunnel always, and a host behind a jump host through that: what has their address
    on this machine's network may be another machine.

    Raises:
        DeployError: the host is not reached.

    """
    published = stack.plan.network.gateway_port
    way = kept.inventory.way_to(kept.inventory.named(planned.name))
    if login.reach is None and len(way) == 1 and reaches(planned.address, published):
        yield planned.address, {}
        return
    with tunnel(way, login, (planned.address, published)) as local:
        yield LOOPBACK, {published: local}


@contextlib.contextmanager
def subject_of(
    stack: Stack, kept: KeptHosts, planned: HostPlan, login: Login, token: Callable[[], str | None]
) -> Iterator[Subject]:
    """Yield one host's endpoint, and ways to the ports that only the host itself reaches.

    Raises:
        DeployError: the host is not reached.

    """
    plan = stack.plan
    way = kept.inventory.way_to(kept.inventory.named(planned.name))
    asked = (*plan.engine_services, plan.service("prometheus"))
    inner = [plan.port(service.name, "http") for service in asked]
    with contextlib.ExitStack() as opened:
        address, reached = opened.enter_context(endpoint_of(stack, kept, planned, login))
        ways = {number: opened.enter_context(tunnel(way, login, (LOOPBACK, number))) for number in inner}
        yield Subject(plan=plan, layout=stack.layout, host=address, token=token, reached={**reached, **ways})
