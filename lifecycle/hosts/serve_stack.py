"""The services of a stack on all its hosts, as its plan and its secrets here are now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from lifecycle.hosts.at_once import at_once
from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import LOWEST_SYSTEMD
from lifecycle.hosts.playbook import Outcome
from lifecycle.hosts.serving import materials_of, serve
from lifecycle.hosts.session import HostSession, OpenHost
from lifecycle.journal import Journal
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.capacity import Drain
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.plan import HostPlan, Plan
from planner.progress import Progress
from templates.hosts import TARGET, HostAbilities
from templates.reclaim import render_block_times


def serve_stack(session: HostSession, stack: Stack, facts: Mapping[str, Facts], drain: Drain | None = None) -> Outcome:
    """Bring configuration, secrets and services of every host to what they should be.

    Of several hosts, those on which something is to change do so one after the other, and each must be healthy before
    the next: clients have others to ask meanwhile. Where none serves yet, all start at the same time.

    Args:
        session: the hosts, logged in on and locked.
        stack: whose plan and secrets they are given.
        facts: of each host by its name.
        drain: when nodes in a Capacity Block are left.

    Raises:
        DeployError: a service did not become healthy, a host was lost, or has not the address that it should have.

    """
    materials = materials_of(stack.plan, stack.layout)
    if drain:
        materials = msgspec.structs.replace(materials, block_times=render_block_times(drain))
    run = partial(
        serve,
        stack.plan,
        load_catalogue(),
        login=session.login,
        abilities={host.name: abilities(stack.plan, host, facts[host.name]) for host in stack.plan.hosts},
        materials=materials,
        progress=session.progress,
    )
    inventory, count = session.kept.inventory, len(session.hosts)
    with session.changing():
        if count == 1 or not any(at_once(_serves, session.hosts)):
            return run(inventory, at_once=count)
        preview = run(inventory, check=True, at_once=count)
        changing = [name for name, totals in preview.hosts.items() if totals.changed]
        if not changing:
            return preview
        done = run(inventory.serving_only(changing))
        return msgspec.structs.replace(done, hosts={**preview.hosts, **done.hosts})


def _serves(one: OpenHost) -> bool:
    return one.connection.run(f"systemctl is-active --quiet {TARGET}").code == 0


def abilities(plan: Plan, host: HostPlan, facts: Facts) -> HostAbilities:
    """Return what a host has and can do, of what its unit files depend on.

    Raises:
        DeployError: it computes with others, and has not the address that they know.

    """
    interface = facts.interfaces.get(host.address, "")
    if plan.followers and not interface:
        raise DeployError(
            f"{host.name}: none of its network interfaces has the address {host.address}, on which the nodes of its "
            "replica find each other",
            hint="`ip address` there shows what it has; without iproute2 nobody can tell.",
            code="no_such_interface",
        )
    return HostAbilities(systemd=facts.systemd or LOWEST_SYSTEMD, interface=interface)


def pass_on(stack: Stack, verb: str, progress: Progress) -> None:
    """Bring what was changed here (keys, revocations, certificates) to the hosts; elsewhere services see it themselves.

    Raises:
        DeployError: a host is not reached, and has the old ones still.
        LockedError: somebody else works on a host.

    """
    with served_hosts(stack, progress, as_files=True) as hosts:
        if hosts is None:
            return
        with (
            Journal(stack.home.journal, verb).step("pass on to hosts"),
            HostSession.open(stack.home, hosts.kept, verb, progress, hosts.login) as session,
        ):
            serve_stack(session, hosts.stack, {one.host.name: read_facts(one.connection) for one in session.hosts})
