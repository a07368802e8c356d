"""Who a client is, is what the verifier says."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

CLAIMS = frozenset({"X-Cloister-Client", "X-Cloister-Jti", "X-Cloister-Scope"})
"""Headers in which the gateway says who somebody is."""
SAFE_ALIASES = ("delete", "reject")


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, entry_point in traefik.published():
        if at(entry_point, "http", "aliasHeadersStrategy") not in SAFE_ALIASES:
            yield Violated(f"the entry point {name} hands on X_Cloister_Client, which some read as X-Cloister-Client")
    for name, router in traefik.routers().items():
        blanked = {
            header
            for _, middleware in traefik.middlewares(router)
            for header, value in (at(middleware, "headers", "customRequestHeaders") or {}).items()
            if value == ""
        }
        missing = sorted(CLAIMS - blanked)
        if missing:
            yield Violated(f"the route {name} hands on {missing[0]} as a client wrote it")


_BLANK = "http.middlewares.no-claimed-identity.headers.customRequestHeaders"

RULE = Rule(
    id="claimed-identity",
    title="No client says who it is",
    family="identity",
    severity="critical",
    why=(
        "Services behind the proxy believe the headers in which the verifier names the client. A client that may send "
        "them itself is whoever it wants to be, in records and limits alike (CVE-2026-39858)."
    ),
    remediation="Blank the headers before every route and delete their aliases; `deploy verify` sends forged ones.",
    controls=("nist AC-3", "iso27001 A.5.16", "soc2 CC6.1"),
    references=("https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/headers/",),
    good=(
        Example("every header blanked at every route", files=examples.traefik()),
        Example(
            "aliases rejected", files=examples.traefik({"entryPoints.websecure.http.aliasHeadersStrategy": "reject"})
        ),
    ),
    bad=(
        Example("a header is handed on", files=examples.traefik(routes={f"{_BLANK}.X-Cloister-Scope": ...})),
        Example("a header with a fixed value", files=examples.traefik(routes={f"{_BLANK}.X-Cloister-Client": "admin"})),
        Example(
            "a route without",
            files=examples.traefik(routes={"http.routers.inference.middlewares": ["strict-transport"]}),
        ),
        Example("aliases", files=examples.traefik({"entryPoints.websecure.http.aliasHeadersStrategy": "keep"})),
        Example(
            "nothing said of aliases", files=examples.traefik({"entryPoints.websecure.http.aliasHeadersStrategy": ...})
        ),
    ),
    on_files=on_traefik(_judge),
)
