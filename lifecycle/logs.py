"""`logs`: what services wrote."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lifecycle.stack import Stack
from planner.errors import UsageError


def known_services(stack: Stack, name: str) -> tuple[str, ...]:
    """Return the named service, every replica for `engine`, or all for no name.

    Raises:
        UsageError: the stack has no service of that name.

    """
    names = tuple(service.name for service in stack.plan.services)
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


def lines_of(stack: Stack, service: str, lines: int, *, follow: bool = False) -> Iterator[str]:
    """Yield the last lines of a service's log, and with `follow` those that come."""
    yield from stack.processes.logs(service, lines, follow=follow)
