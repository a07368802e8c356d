"""Who may ask the model may not look at its dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from planner.plan import Plan, RoutePlan
from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    yield from _judge({route.scope for route in plan.gateway.routes}, plan.gateway.observe_scope)


def _on_gateway(config: Any) -> Iterator[Answer]:
    scopes = {str(at(route, "scope")) for route in at(config, "routes") or ()}
    yield from _judge(scopes, str(at(config, "auth", "observe_scope") or ""))


def _judge(scopes: set[str], observe: str) -> Iterator[Answer]:
    if not observe:
        yield Violated("no scope is asked for at the dashboards")
    elif observe in scopes:
        yield Violated(f"the scope {observe} opens inference and the dashboards alike")


def _scoped(scope: str) -> Plan:
    plan = examples.plan()
    route = RoutePlan(path="/v1/models", methods=("GET",), scope=scope)
    return msgspec.structs.replace(plan, gateway=msgspec.structs.replace(plan.gateway, routes=(route,)))


RULE = Rule(
    id="scopes-apart",
    title="Tokens for inference do not open the dashboards",
    family="identity",
    severity="medium",
    why=(
        "An application's token sits in many places: environments, notebooks, crash reports. If it also opened the "
        "dashboards, each of them would show who asks how much and when."
    ),
    remediation=(
        "Give `identity.scope` another value than `observe`; `deploy token issue --client me` makes tokens for "
        "inference alone."
    ),
    controls=("nist AC-6", "iso27001 A.8.3", "soc2 CC6.3"),
    references=("https://www.rfc-editor.org/rfc/rfc9700",),
    good=(
        Example("two scopes", plan=_scoped("inference")),
        Example("two scopes, in the file", files=examples.gateway()),
    ),
    bad=(
        Example("one scope", plan=_scoped("observe")),
        Example("one scope, in the file", files=examples.gateway({"auth.observe_scope": "inference"})),
        Example("no scope, in the file", files=examples.gateway({"auth.observe_scope": ""})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
