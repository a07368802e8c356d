"""Nothing is published without TLS."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, entry_point in traefik.published():
        if at(entry_point, "http", "tls") is None:
            yield Violated(f"the entry point {name} answers without TLS (`http.tls` is missing)")
    known = traefik.entry_points()
    for name, router in traefik.routers().items():
        if at(router, "tls") is None:
            yield Violated(f"the route {name} is served without TLS (`tls` is missing)")
        if at(router, "tls", "options") not in (None, "default"):
            yield Violated(f"the route {name} has TLS options of its own, which hold only for hosts that it names")
        for entry_point in at(router, "entryPoints") or ():
            if entry_point not in known:
                yield Violated(f"the route {name} hangs on the entry point {entry_point}, which does not exist")


_ENTRY = "entryPoints.websecure.http.tls"

RULE = Rule(
    id="tls-everywhere",
    title="Every published entry point and route is served over TLS",
    family="encryption",
    severity="critical",
    why=(
        "Over plain HTTP a token is read by everybody on the way, and used until it ends. The prompt and the "
        "answer are read along with it."
    ),
    remediation=(
        "Give the entry point and each route `tls`; `deploy verify` tries plain HTTP, `[tls]` gives a "
        "certificate. See `tls.hostnames`."
    ),
    controls=("nist SC-8", "iso27001 A.8.24", "soc2 CC6.7", "gdpr Art. 32", "nis2 Art. 21(2)(h)"),
    references=("https://doc.traefik.io/traefik/reference/routing-configuration/http/tls/overview/",),
    good=(
        Example("TLS at the entry point and at each route", files=examples.traefik()),
        Example(
            "a plain entry point on loopback",
            files=examples.traefik({"entryPoints.probe": {"address": "127.0.0.1:81"}}),
        ),
    ),
    bad=(
        Example("an entry point without", files=examples.traefik({_ENTRY: ...})),
        Example("a second one without", files=examples.traefik({"entryPoints.web": {"address": ":80"}})),
        Example("a route without", files=examples.traefik(routes={"http.routers.inference.tls": ...})),
        Example(
            "a route with options of its own",
            files=examples.traefik(routes={"http.routers.inference.tls": {"options": "old"}}),
        ),
    ),
    on_files=on_traefik(_judge),
)
