"""Cipher suites with forward secrecy and authenticated encryption alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import on_routes, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SOUND = re.compile(r"TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_(128|256)_GCM_SHA(256|384)|CHACHA20_POLY1305(_SHA256)?)")
"""Suites of TLS 1.2 that RFC 9325 recommends, as Go names them; those of TLS 1.3 are all sound and not listed."""


def _judge(routes: Any) -> Iterator[Answer]:
    for name, option in table(routes, "tls", "options").items():
        suites = at(option, "cipherSuites")
        if not suites and at(option, "minVersion") != "VersionTLS13":
            yield Violated(f"the TLS options {name} name no cipher suites, so that Go's older ones hold")
        for suite in suites or ():
            if not SOUND.fullmatch(str(suite)):
                yield Violated(f"the TLS options {name} accept {suite}")


_SUITES = "tls.options.default.cipherSuites"

RULE = Rule(
    id="tls-ciphers",
    title="Cipher suites with forward secrecy and authenticated encryption alone",
    family="encryption",
    severity="high",
    why=(
        "Without forward secrecy a key that is stolen next year opens what was recorded today. Suites in CBC mode have "
        "been broken again and again by what their padding tells."
    ),
    remediation="List ECDHE suites with GCM or ChaCha20-Poly1305, or set TLS 1.3; `deploy verify` tries others.",
    controls=("nist SC-13", "iso27001 A.8.24", "soc2 CC6.7", "nis2 Art. 21(2)(h)"),
    references=("https://www.rfc-editor.org/rfc/rfc9325",),
    good=(
        Example("ECDHE with GCM", files=examples.traefik()),
        Example(
            "TLS 1.3, which has no other",
            files=examples.traefik(routes={_SUITES: ..., "tls.options.default.minVersion": "VersionTLS13"}),
        ),
    ),
    bad=(
        Example(
            "a key without forward secrecy",
            files=examples.traefik(routes={_SUITES: ["TLS_RSA_WITH_AES_128_GCM_SHA256"]}),
        ),
        Example("CBC", files=examples.traefik(routes={_SUITES: ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"]})),
        Example("whatever Go takes", files=examples.traefik(routes={_SUITES: ...})),
    ),
    on_files=on_routes(_judge),
)
