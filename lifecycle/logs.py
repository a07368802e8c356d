"""`logs`: what services wrote."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.errors import UsageError
from planner.plan import HostPlan, Plan
from planner.progress import Silent
from planner.spanning import services_of


def known_services(stack: Stack, name: str) -> tuple[str, ...]:
    """Return the named service, every replica for `engine`, or all for no name.

    Raises:
        UsageError: the stack has no service of that name.

    """
    names = tuple(service.name for service in (*stack.plan.services, *stack.plan.followers))
    if not name:
        return names
    if name in names:
        return (name,)
    if name == "engine" and stack.plan.engine_services:
        return stack.plan.engine.service_names
    near = difflib.get_close_matches(name, names, n=1)
    raise UsageError(
        f"stack {stack.plan.stack!r} has no service {name!r}" + (f"; did you mean {near[0]}?" if near else ""),
        hint=f"Its services: {', '.join(names)}.",
        code="no_such_service",
    )


def _names(plan: Plan, host: HostPlan) -> set[str]:
    return {service.name for service in services_of(plan, host)}


def lines_of(stack: Stack, service: str, lines: int, *, follow: bool = False, host: str = "") -> Iterator[str]:
    """Yield the last lines of a service's log, and with `follow` those that come.

    Args:
        stack: whose service.
        service: its name.
        lines: how many of the last.
        follow: go on as lines come.
        host: of a stack that hosts serve; the first that runs the service when empty.

    Raises:
        UsageError: a host is named that the stack has not.
        DeployError: the host is not reached.

    """
    with served_hosts(stack, Silent()) as hosts:
        if hosts:
            from lifecycle.hosts.units import host_named, journal_of  # noqa: PLC0415 - loads SSH

            runs = (one.name for one in hosts.stack.plan.hosts if service in _names(hosts.stack.plan, one))
            on = host_named(hosts.kept, host or next(runs, ""))
            yield from journal_of(hosts.kept, on, hosts.login, service, lines, follow=follow)
            return
    if host:
        raise UsageError("--host goes with stacks that hosts serve", hint="Leave it out.", code="not_on_hosts")
    yield from stack.processes.logs(service, lines, follow=follow)
