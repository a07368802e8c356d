"""What is behind proxy and gateway is on this host, or shows a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from planner.plan import Plan, UpstreamPlan
from policies import examples
from policies.about import where
from policies.readers import Traefik, both, is_loopback, on_gateway, on_traefik, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the server that takes the engine's place."""
    if plan.upstream and not _safe(plan.upstream.url):
        yield Violated(f"prompts go in the clear to {plan.upstream.url} (`--upstream`)")


def _on_traefik(traefik: Traefik) -> Iterator[Answer]:
    for name in table(traefik.routes, "http", "services"):
        for url in traefik.servers(name):
            if not _safe(url):
                yield Violated(f"the service {name} is reached in the clear at {url}")
    transports = (traefik.static, "serversTransport"), (traefik.routes, "http", "serversTransports")
    for content, *path in transports:
        yield from _verifies(table(content, *path), ".".join(path))


def _verifies(transports: Any, path: str) -> Iterator[Answer]:
    for name, value in transports.items():
        if name == "insecureSkipVerify" and value:
            yield Violated(f"certificates of servers are not looked at (`{path}.{name}`)")
        elif isinstance(value, dict):
            yield from _verifies(value, f"{path}.{name}")


def _on_gateway(config: Any) -> Iterator[Answer]:
    for name, url in table(config, "upstream", "replicas").items():
        if not _safe(str(url)):
            yield Violated(f"the gateway sends prompts in the clear to {name} at {url}")
    keys = at(config, "auth", "jwks_url")
    if keys and not _safe(str(keys)):
        yield Violated(f"the keys that tokens are verified with come in the clear from {keys} (`auth.jwks_url`)")


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(f"{parts.hostname}:0")


_URL = "http.services.gateway.loadBalancer.servers"

RULE = Rule(
    id="backends-verified",
    title="Servers behind the gateway are on its host or show a certificate",
    family="encryption",
    severity="high",
    why=(
        "Behind the gateway a prompt travels without its client's TLS: to another host it is read by everybody on "
        "the way, and answered by whoever is quicker. A certificate that nobody looks at changes nothing."
    ),
    remediation="Give `--upstream` an https URL or one of this host; `deploy plan` shows the verdict.",
    controls=("nist SC-8", "nist IA-9", "iso27001 A.8.24", "soc2 CC6.7", "gdpr Art. 32"),
    references=(
        "https://doc.traefik.io/traefik/reference/routing-configuration/http/load-balancing/serverstransport/",
    ),
    good=(
        Example("everything on this host", files={**examples.traefik(), **examples.gateway()}),
        Example(
            "a server that shows a certificate",
            plan=examples.changed(upstream=UpstreamPlan(url="https://llm.example.test", key_env="")),
        ),
    ),
    bad=(
        Example(
            "a server in the clear",
            plan=examples.changed(upstream=UpstreamPlan(url="http://llm.example.test", key_env="")),
        ),
        Example(
            "an engine on another host",
            files={**examples.traefik(), **examples.gateway({"upstream.replicas": {"engine": "http://10.0.0.7:8000"}})},
        ),
        Example(
            "a gateway on another host",
            files={**examples.traefik(routes={_URL: [{"url": "http://10.0.0.7:8080"}]}), **examples.gateway()},
        ),
        Example(
            "a certificate that nobody looks at",
            files={**examples.traefik({"serversTransport": {"insecureSkipVerify": True}}), **examples.gateway()},
        ),
        Example(
            "keys in the clear",
            files={**examples.traefik(), **examples.gateway({"auth.jwks_url": "http://sso.example.test/jwks"})},
        ),
    ),
    on_plan=where(lambda plan: plan.upstream, on_plan),
    on_files=both(on_traefik(_on_traefik), on_gateway(_on_gateway)),
)
