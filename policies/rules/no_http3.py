"""No HTTP/3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import on_static, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(config: Any) -> Iterator[Answer]:
    for name, entry_point in table(config, "entryPoints").items():
        if at(entry_point, "http3") is not None:
            yield Violated(f"the entry point {name} answers HTTP/3 (`http3`)")
        if str(at(entry_point, "address")).endswith("/udp"):
            yield Violated(f"the entry point {name} listens on UDP")


RULE = Rule(
    id="no-http3",
    title="Traefik answers over TCP alone",
    family="network",
    severity="medium",
    why=(
        "HTTP/3 opens a UDP port that neither the security groups nor the probes of `verify` look at. Its choice "
        "of TLS options was a way past client certificates until Traefik 3.7.3 (CVE-2026-53622)."
    ),
    remediation="Leave `http3` out of the entry points; `deploy verify` looks at what listens.",
    controls=("nist CM-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/",),
    good=(
        Example("TCP", files=examples.traefik()),
        Example("TCP, said so", files=examples.traefik({"entryPoints.admin.address": "127.0.0.1:8082/tcp"})),
    ),
    bad=(
        Example("HTTP/3", files=examples.traefik({"entryPoints.websecure.http3": {}})),
        Example("UDP", files=examples.traefik({"entryPoints.quic": {"address": ":8443/udp"}})),
    ),
    on_files=on_static(_judge),
)
