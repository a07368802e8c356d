"""TLS 1.2 at least."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import on_routes, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

MODERN = ("VersionTLS12", "VersionTLS13")


def _judge(routes: Any) -> Iterator[Answer]:
    options = table(routes, "tls", "options")
    if "default" not in options:
        yield Violated("there are no default TLS options (`tls.options.default`)")
    for name, option in options.items():
        least, most = at(option, "minVersion"), at(option, "maxVersion")
        if least not in MODERN:
            yield Violated(f"the TLS options {name} accept {least or 'whatever Traefik does'} (`minVersion`)")
        if most is not None and most not in MODERN:
            yield Violated(f"the TLS options {name} go no further than {most} (`maxVersion`)")


_LEAST = "tls.options.default.minVersion"

RULE = Rule(
    id="tls-version",
    title="TLS 1.2 or later",
    family="encryption",
    severity="high",
    why=(
        "TLS 1.0 and 1.1 rest on SHA-1 and on modes that have been broken; who is in the middle makes both sides "
        "agree on the oldest that both accept. RFC 8996 forbids them."
    ),
    remediation="Set `minVersion: VersionTLS12` in the default TLS options; `deploy verify` tries older ones.",
    controls=("nist SC-8", "nist SC-13", "iso27001 A.8.24", "soc2 CC6.7", "nis2 Art. 21(2)(h)"),
    references=("https://www.rfc-editor.org/rfc/rfc8996", "https://www.rfc-editor.org/rfc/rfc9325"),
    good=(
        Example("TLS 1.2", files=examples.traefik()),
        Example("TLS 1.3", files=examples.traefik(routes={_LEAST: "VersionTLS13"})),
    ),
    bad=(
        Example("TLS 1.1", files=examples.traefik(routes={_LEAST: "VersionTLS11"})),
        Example("nothing said", files=examples.traefik(routes={_LEAST: ...})),
        Example("no options", files=examples.traefik(routes={"tls.options": ...})),
        Example("a second set", files=examples.traefik(routes={"tls.options.old": {"minVersion": "VersionTLS10"}})),
        Example("a ceiling", files=examples.traefik(routes={"tls.options.default.maxVersion": "VersionTLS11"})),
    ),
    on_files=on_routes(_judge),
)
