"""Only paths of the inference API that the plan lists are let through, each exactly as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from planner.plan import Plan, RoutePlan
from policies import examples
from policies.readers import Traefik, both, on_gateway, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

ALLOWED = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/responses": "POST",
    "/v1/embeddings": "POST",
    "/v1/models": "GET",
}
"""What an inference API is: all of it asks the engine's key. vLLM 0.33 has forty further routes, half of them open."""
EXACT = re.compile(r"Path\(`(?P<path>[^`]*)`\) && \((?P<methods>Method\(`[A-Z]+`\)( \|\| Method\(`[A-Z]+`\))*)\)")
"""A rule of one path and its methods; Traefik's other matchers let more through than they say."""
METHOD = re.compile(r"Method\(`([A-Z]+)`\)")
TURNED_AWAY = "/not-found"
"""Where the route for all other paths leads, at the gateway."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the routes that were decided."""
    for route in plan.gateway.routes:
        yield from _route(route.path, route.methods, route.scope)


def _on_gateway(config: Any) -> Iterator[Answer]:
    routes = at(config, "routes")
    if not routes:
        yield Violated("the gateway lists no routes")
    for route in routes or ():
        yield from _route(str(at(route, "path")), at(route, "methods") or (), at(route, "scope"))


def _route(path: str, methods: tuple[str, ...], scope: Any) -> Iterator[Answer]:
    if path not in ALLOWED:
        yield Violated(f"{path} is let through, which is no part of the inference API")
    elif tuple(methods) != (ALLOWED[path],):
        yield Violated(f"{path} is let through for {', '.join(methods) or 'no method'}, and takes {ALLOWED[path]}")
    if not scope:
        yield Violated(f"{path} is let through for every token: no scope is asked for")


def _on_traefik(traefik: Traefik) -> Iterator[Answer]:
    gateway = set(traefik.servers("gateway"))
    for name, router in traefik.routers().items():
        places = set(traefik.servers(str(at(router, "service"))))
        if not places or not places <= gateway or _is_turned_away(traefik, router):
            continue
        rule = str(at(router, "rule"))
        found = EXACT.fullmatch(rule)
        if found is None:
            yield Violated(f"the route {name} to the gateway is not one exact path with its methods: {rule}")
        else:
            yield from _route(found["path"], tuple(METHOD.findall(found["methods"])), "the gateway asks for it")


def _is_turned_away(traefik: Traefik, router: Any) -> bool:
    return any(at(one, "replacePath", "path") == TURNED_AWAY for _, one in traefik.middlewares(router))


def _routed(*routes: RoutePlan) -> Plan:
    plan = examples.plan()
    return msgspec.structs.replace(plan, gateway=msgspec.structs.replace(plan.gateway, routes=routes))


_CHAT = RoutePlan(path="/v1/chat/completions", methods=("POST",), scope="inference")
_TOKENIZE = RoutePlan(path="/tokenize", methods=("POST",), scope="inference")
_RULE = "http.routers.inference.rule"

RULE = Rule(
    id="path-allow-list",
    title="Only listed paths of the inference API are let through",
    family="serving",
    severity="critical",
    why=(
        "vLLM's own key leaves routes open (`/tokenize`, `/invocations`, `/metrics`, `/scale_elastic_ep`), and new "
        "versions bring more. A prefix instead of a path lets all of them through the day they appear."
    ),
    remediation=(
        "Let the planner write the routes, one exact path each: `model.name` decides which there are, and `deploy "
        "plan` shows them."
    ),
    controls=("nist CM-7", "nist AC-3", "iso27001 A.8.26", "soc2 CC6.6"),
    references=(
        "https://docs.vllm.ai/en/latest/usage/security.html",
        "https://doc.traefik.io/traefik/reference/routing-configuration/http/router/rules-and-priority/",
    ),
    good=(
        Example("one exact path", files={**examples.traefik(), **examples.gateway()}),
        Example("the same in the plan", plan=_routed(_CHAT)),
    ),
    bad=(
        Example("a route of the engine's own", plan=_routed(_CHAT, _TOKENIZE)),
        Example("a route for every token", plan=_routed(msgspec.structs.replace(_CHAT, scope=""))),
        Example("a prefix", files=examples.traefik(routes={_RULE: "PathPrefix(`/v1`) && (Method(`POST`))"})),
        Example("a pattern", files=examples.traefik(routes={_RULE: "PathRegexp(`^/v1/.*`)"})),
        Example("every method", files=examples.traefik(routes={_RULE: "Path(`/v1/chat/completions`)"})),
        Example(
            "everything, where it should be turned away",
            files=examples.traefik(routes={"http.routers.refuse.middlewares": ["strict-transport"]}),
        ),
        Example(
            "a route of the engine's own at the gateway",
            files=examples.gateway({"routes": [{"path": "/metrics", "methods": ["GET"], "scope": "inference"}]}),
        ),
        Example("a gateway without a list", files=examples.gateway({"routes": []})),
    ),
    on_plan=on_plan,
    on_files=both(on_gateway(_on_gateway), on_traefik(_on_traefik)),
)
