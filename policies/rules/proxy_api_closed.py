"""Traefik takes its configuration from files, and shows it to nobody."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SHOWS = ("insecure", "dashboard", "debug")
SOURCES = frozenset({"file"})
"""Providers that take routes from files of this host; all others take them from a network."""


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name in SHOWS:
        if at(traefik.static, "api", name) not in (None, False):
            yield Violated(f"Traefik shows its routes and certificates (`api.{name}`)")
    for name in table(traefik.static, "providers"):
        if name not in SOURCES:
            yield Violated(f"whoever writes to {name} decides which routes there are (`providers.{name}`)")
    for name, router in traefik.routers().items():
        if str(at(router, "service")).endswith("@internal"):
            yield Violated(f"the route {name} publishes {at(router, 'service')}, a part of Traefik itself")


RULE = Rule(
    id="proxy-api-closed",
    title="Traefik takes routes from files and shows them to nobody",
    family="serving",
    severity="critical",
    why=(
        "Traefik's API lists every route, service and certificate to whoever reaches it. A provider on a network or a "
        "container socket lets its writers add a route of their own (CVE-2026-44774)."
    ),
    remediation="Leave `api` off and `file` the only provider; `deploy verify` looks for the API.",
    controls=("nist CM-7", "nist AC-3", "iso27001 A.8.9", "soc2 CC6.6"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/api-dashboard/",),
    good=(
        Example("no API, and files", files=examples.traefik()),
        Example("nothing said of the API", files=examples.traefik({"api": ...})),
    ),
    bad=(
        Example("an API without a password", files=examples.traefik({"api.insecure": True})),
        Example("a dashboard", files=examples.traefik({"api.dashboard": True})),
        Example("routes from a container socket", files=examples.traefik({"providers.docker": {}})),
        Example(
            "the API as a route", files=examples.traefik(routes={"http.routers.prometheus.service": "api@internal"})
        ),
    ),
    on_files=on_traefik(_judge),
)
