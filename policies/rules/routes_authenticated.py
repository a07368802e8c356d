"""Every route that Traefik publishes asks for a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from policies import examples
from policies.readers import Traefik, on_traefik, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

VERIFIER_PATH = "/forward-auth"
GATEWAY = "gateway"
"""The service that verifies tokens: what goes to it needs nobody else to ask."""


def _judge(traefik: Traefik) -> Iterator[Answer]:
    verifiers = {urlsplit(url).netloc for url in traefik.servers(GATEWAY)}
    for name, router in traefik.routers().items():
        places = {urlsplit(url).netloc for url in traefik.servers(str(at(router, "service")))}
        if places and places <= verifiers:
            continue  # the gateway asks for a token itself
        if not any(_asks(middleware, verifiers) for _, middleware in traefik.middlewares(router)):
            yield Violated(f"the route {name} reaches {at(router, 'service')} and nobody asks for a token")
    for protocol in ("tcp", "udp"):
        for name in table(traefik.routes, protocol, "routers"):
            yield Violated(f"the {protocol} route {name} passes by everything that asks for a token")


def _asks(middleware: Any, verifiers: set[str]) -> bool:
    """Tell whether a middleware asks the gateway, over its own path."""
    address = urlsplit(str(at(middleware, "forwardAuth", "address") or ""))
    return address.path == VERIFIER_PATH and address.netloc in verifiers


RULE = Rule(
    id="routes-authenticated",
    title="Every published route asks for a token",
    family="serving",
    severity="critical",
    why=(
        "A dashboard that was put beside the API without ForwardAuth shows every prompt's metrics to whoever finds its "
        "path. Scanners find it within hours of its start."
    ),
    remediation=(
        "Send the route to the gateway, or put a `forwardAuth` middleware to the gateway's verifier before it; "
        "`deploy verify` asks every route without a token."
    ),
    controls=("nist AC-3", "iso27001 A.8.5", "soc2 CC6.1", "owasp-llm LLM10"),
    references=("https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/",),
    good=(
        Example("routes to the gateway, and one behind ForwardAuth", files=examples.traefik()),
        Example("routes to the gateway alone", files=examples.traefik(routes={"http.routers.prometheus": ...})),
    ),
    bad=(
        Example(
            "a dashboard without ForwardAuth",
            files=examples.traefik(routes={"http.routers.prometheus.middlewares": ["strict-transport"]}),
        ),
        Example(
            "ForwardAuth to somebody else",
            files=examples.traefik(
                routes={"http.middlewares.ask-gateway.forwardAuth.address": "http://127.0.0.1:9999/forward-auth"}
            ),
        ),
        Example(
            "ForwardAuth to a path that lets everybody pass",
            files=examples.traefik(
                routes={"http.middlewares.ask-gateway.forwardAuth.address": "http://127.0.0.1:8080/healthz"}
            ),
        ),
        Example(
            "a middleware that does not exist",
            files=examples.traefik(routes={"http.middlewares.ask-gateway": ...}),
        ),
        Example(
            "a route straight to the engine",
            files=examples.traefik(
                routes={
                    "http.routers.inference.service": "engine",
                    "http.services.engine": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:8000"}]}},
                }
            ),
        ),
        Example(
            "a route of another protocol",
            files=examples.traefik(routes={"tcp": {"routers": {"all": {"rule": "HostSNI(`*`)", "service": "engine"}}}}),
        ),
    ),
    on_files=on_traefik(_judge),
)
