"""What `up` tells when it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from planner.plan import Plan

if TYPE_CHECKING:
    from lifecycle.stack import Stack


class UpReport(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that is up."""

    stack: str
    profile: str
    target: str
    url: str
    ca_file: str
    models: tuple[str, ...]
    changes: dict[str, int]
    seconds: float
    """From the first line of `up` to its last."""
    endpoint_after_s: float
    """From the first line of `up` to the first HTTP 200 of the endpoint."""
    resources_s: float
    """Of these, seconds in which the resource graph was brought about."""
    plan: Plan


def report_of(
    stack: Stack,
    models: tuple[str, ...],
    changes: Mapping[str, int],
    *,
    started: float,
    endpoint_after_s: float | None = None,
    resources_s: float = 0.0,
) -> UpReport:
    """Return what is told of a stack that has just come up.

    Args:
        stack: with the plan that was carried out.
        models: names that the endpoint serves.
        changes: kind of change -> how many.
        started: when the verb began, on the monotonic clock.
        endpoint_after_s: seconds until the endpoint answered; until now when None.
        resources_s: seconds that the resource graph took.

    """
    seconds = round(time.monotonic() - started, 2)
    return UpReport(
        stack=stack.plan.stack,
        profile=stack.plan.profile,
        target=stack.plan.target,
        url=stack.url,
        ca_file=stack.ca_file,
        models=models,
        changes=dict(changes),
        seconds=seconds,
        endpoint_after_s=seconds if endpoint_after_s is None else endpoint_after_s,
        resources_s=resources_s,
        plan=stack.plan,
    )
