"""Nobody but Traefik says where a request comes from."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, entry_point in traefik.published():
        for kind in ("forwardedHeaders", "proxyProtocol"):
            if at(entry_point, kind, "insecure") not in (None, False):
                yield Violated(f"the entry point {name} believes what any client says of itself (`{kind}.insecure`)")
            if at(entry_point, kind, "trustedIPs"):
                yield Violated(f"the entry point {name} believes {at(entry_point, kind, 'trustedIPs')} (`{kind}`)")
    for name, middleware in traefik.all_middlewares().items():
        if (
            at(middleware, "forwardAuth") is not None
            and at(middleware, "forwardAuth", "trustForwardHeader") is not False
        ):
            yield Violated(f"{name} hands on what clients say of themselves (`trustForwardHeader` is not false)")


_ENTRY = "entryPoints.websecure"

RULE = Rule(
    id="forwarded-headers",
    title="No client says where it comes from",
    family="identity",
    severity="high",
    why=(
        "Who may write X-Forwarded-Uri or X-Forwarded-For decides for which path and from where the verifier thinks a "
        "request comes. One asks for a harmless path there, and for another one in the request."
    ),
    remediation=(
        "Leave `insecure` and `trustForwardHeader` false, and name no trusted addresses; `deploy verify` forges them."
    ),
    controls=("nist AC-3", "nist SI-10", "iso27001 A.8.26", "soc2 CC6.6"),
    references=(
        "https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/",
        "https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/",
    ),
    good=(
        Example("nobody is believed", files=examples.traefik()),
        Example("nothing said at the entry point", files=examples.traefik({f"{_ENTRY}.forwardedHeaders": ...})),
    ),
    bad=(
        Example("everybody is believed", files=examples.traefik({f"{_ENTRY}.forwardedHeaders.insecure": True})),
        Example(
            "a network is believed", files=examples.traefik({f"{_ENTRY}.forwardedHeaders.trustedIPs": ["10.0.0.0/8"]})
        ),
        Example(
            "everybody, by the PROXY protocol", files=examples.traefik({f"{_ENTRY}.proxyProtocol": {"insecure": True}})
        ),
        Example(
            "the verifier is told what clients say",
            files=examples.traefik(routes={"http.middlewares.ask-gateway.forwardAuth.trustForwardHeader": True}),
        ),
    ),
    on_files=on_traefik(_judge),
)
