"""What `up` tells when it is done."""

from __future__ import annotations

import msgspec

from planner.plan import Plan


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
