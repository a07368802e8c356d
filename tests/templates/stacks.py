"""Plans and folders that the tests of the templates render."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.layout import Layout
from planner.make_plan import Site, make_plan
from planner.plan import Plan, Target, UpstreamPlan

ROLES = ("config", "data", "logs", "secrets", "tls", "run")


def plan_of(
    profile: str,
    *,
    ports: Mapping[str, int] | None = None,
    upstream: UpstreamPlan | None = None,
    replicas: int | None = None,
    target: Target = "sandbox",
) -> Plan:
    """Return the plan of a shipped profile, with so many replicas of the engine."""
    read = load_profile(profile)
    if replicas is not None:
        read = msgspec.structs.replace(read, hardware=msgspec.structs.replace(read.hardware, replicas=replicas))
    return make_plan(read, load_catalogue(), Site(stack="s", target=target, ports=ports or {}, upstream=upstream))


def layout_below(folder: str | Path) -> Layout:
    """Return the names of a stack's folders; none is made."""
    return Layout(stack=str(folder), **{role: f"{folder}/{role}" for role in ROLES})
