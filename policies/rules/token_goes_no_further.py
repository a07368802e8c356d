"""A client's token reaches the gateway and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(traefik: Traefik) -> Iterator[Answer]:
    verifiers = set(traefik.servers("gateway"))
    for name, router in traefik.routers().items():
        places = set(traefik.servers(str(at(router, "service"))))
        if places <= verifiers:
            continue
        blanked = [
            at(middleware, "headers", "customRequestHeaders", "Authorization")
            for _, middleware in traefik.middlewares(router)
        ]
        if "" not in blanked:
            yield Violated(f"the route {name} hands the client's token on to {at(router, 'service')}")


_BLANK = "http.middlewares.no-token-beyond.headers.customRequestHeaders.Authorization"

RULE = Rule(
    id="token-goes-no-further",
    title="A client's token reaches the gateway alone",
    family="identity",
    severity="high",
    why=(
        "A dashboard that is sent every visitor's token can use it, log it or be made to leak it. With it an "
        "intruder is that visitor everywhere until the token ends."
    ),
    remediation=(
        "Blank `Authorization` on routes past the gateway, after ForwardAuth; `deploy verify` tries the routes."
    ),
    controls=("nist SC-23", "nist IA-5", "iso27001 A.5.17", "soc2 CC6.1"),
    references=("https://www.rfc-editor.org/rfc/rfc9700",),
    good=(
        Example("blanked for the dashboard", files=examples.traefik()),
        Example("routes to the gateway alone", files=examples.traefik(routes={"http.routers.prometheus": ...})),
    ),
    bad=(
        Example("handed on", files=examples.traefik(routes={"http.routers.prometheus.middlewares": ["ask-gateway"]})),
        Example("a value of somebody's", files=examples.traefik(routes={_BLANK: "Bearer 0"})),
    ),
    on_files=on_traefik(_judge),
)
