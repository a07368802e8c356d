"""A stack's folders and plan, as the tests of issuer and backup need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from planner.layout import Layout
from planner.plan import Plan, RoutePlan
from policies import examples


def layout_in(folder: Path) -> Layout:
    folders = {name: str(folder / "stack" / name) for name in ("config", "data", "logs", "secrets", "tls", "run")}
    return Layout(stack=str(folder / "stack"), **folders)


def make_plan(**identity: Any) -> Plan:
    """Return a plan whose tokens live a day at most, with one route beside the observers' scope."""
    plan = examples.plan()
    route = RoutePlan(path="/v1/chat/completions", methods=("POST",), scope="inference")
    fields = {"max_lifetime_s": 86400, "leeway_s": 30, **identity}
    return msgspec.structs.replace(
        plan,
        gateway=msgspec.structs.replace(plan.gateway, routes=(route,)),
        identity=msgspec.structs.replace(plan.identity, **fields),
    )


PLAN = make_plan()
