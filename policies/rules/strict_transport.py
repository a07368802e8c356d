"""Browsers are told to come over TLS alone."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

HALF_A_YEAR_S = 15_768_000


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, router in traefik.routers().items():
        headers = [at(middleware, "headers") for _, middleware in traefik.middlewares(router)]
        if max((int(at(one, "stsSeconds") or 0) for one in headers), default=0) < HALF_A_YEAR_S:
            yield Violated(f"the route {name} does not tell browsers to stay with TLS for half a year (`stsSeconds`)")
        if not any(at(one, "contentTypeNosniff") is True for one in headers):
            yield Violated(f"the route {name} lets browsers guess types (`contentTypeNosniff`)")


_HEADERS = "http.middlewares.strict-transport.headers"

RULE = Rule(
    id="strict-transport",
    title="Browsers are told to come over TLS alone",
    family="encryption",
    severity="low",
    why=(
        "A browser that types the name without a scheme comes over plain HTTP first, where anybody on the way answers. "
        "HSTS makes it come over TLS from the second visit on."
    ),
    remediation=(
        "Put the middleware with `stsSeconds` and `contentTypeNosniff` before every route; see `deploy verify`."
    ),
    controls=("nist SC-8", "nist SC-23", "iso27001 A.8.26"),
    references=("https://www.rfc-editor.org/rfc/rfc6797",),
    good=(
        Example("a year, at every route", files=examples.traefik()),
        Example("half a year", files=examples.traefik(routes={f"{_HEADERS}.stsSeconds": HALF_A_YEAR_S})),
    ),
    bad=(
        Example("a day", files=examples.traefik(routes={f"{_HEADERS}.stsSeconds": 86400})),
        Example("types are guessed", files=examples.traefik(routes={f"{_HEADERS}.contentTypeNosniff": False})),
        Example(
            "a route without", files=examples.traefik(routes={"http.routers.refuse.middlewares": ["refused-path"]})
        ),
    ),
    on_files=on_traefik(_judge),
)
