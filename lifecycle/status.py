"""`status` and `list`: what runs, and where to reach it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from lifecycle.home import Home, StackHome
from lifecycle.journal import last_state
from lifecycle.processes import ServiceState
from lifecycle.stack import Stack
from planner.errors import DeployError


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where clients go."""

    url: str
    ca_file: str
    models: tuple[str, ...]


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """One stack. `state`: running, degraded, stopped, or interrupted and failed as the last verb left it."""

    stack: str
    profile: str
    target: str
    state: str
    endpoint: Endpoint
    services: tuple[ServiceState, ...]
    until: datetime | None = None
    """Deadline; None for a stack that stays until it is taken down."""


class ListedStack(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `list`."""

    stack: str
    profile: str
    target: str
    state: str
    url: str


def status(home: StackHome) -> StatusReport:
    """Look at one stack.

    Raises:
        DeployError: there is no such stack.

    """
    stack = Stack.load(home)
    services = stack.processes.status()
    return StatusReport(
        stack=home.name,
        profile=stack.plan.profile,
        target=stack.plan.target,
        state=_state(stack, services),
        endpoint=Endpoint(url=stack.url, ca_file=stack.ca_file, models=(stack.plan.model.served_name,)),
        services=services,
        until=stack.plan.deadline.until if stack.plan.deadline else None,
    )


def list_stacks(home: Home) -> tuple[ListedStack, ...]:
    """Look at all stacks; one that cannot be read is listed as broken."""
    return tuple(_listed(stack) for stack in home.stacks())


def _listed(home: StackHome) -> ListedStack:
    try:
        report = status(home)
    except DeployError:
        return ListedStack(stack=home.name, profile="", target="", state="broken", url="")
    return ListedStack(
        stack=home.name, profile=report.profile, target=report.target, state=report.state, url=report.endpoint.url
    )


def _state(stack: Stack, services: tuple[ServiceState, ...]) -> str:
    needed = [state for state in services if not stack.plan.service(state.name).optional]
    running = sum(state.state == "RUNNING" for state in needed)
    if running == len(needed):
        left = last_state(stack.home.journal)
        return left if left in {"interrupted", "failed"} else "running"
    return "degraded" if running else "stopped"
