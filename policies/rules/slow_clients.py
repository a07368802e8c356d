"""A client that is slow on purpose does not hold the proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

LONGEST_S = {"readTimeout": 300, "idleTimeout": 600}
"""Bounds of what Traefik waits for, in seconds: a whole request, and the next one of a connection."""
MAX_HEADER_BYTES = 1_048_576
MAX_STREAMS = 250
"""Go's default; each stream of HTTP/2 costs memory before anybody has asked for a token."""
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+)(ms|s|m|h)?")


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, entry_point in traefik.published():
        for timeout, longest in LONGEST_S.items():
            value = at(entry_point, "transport", "respondingTimeouts", timeout)
            seconds = _seconds(value)
            if seconds is None or not 0 < seconds <= longest:
                yield Violated(f"the entry point {name} waits {value or 'without end'} for a client (`{timeout}`)")
        header = at(entry_point, "http", "maxHeaderBytes")
        if not isinstance(header, int) or not 0 < header <= MAX_HEADER_BYTES:
            yield Violated(f"the entry point {name} takes headers of {header or 'any'} bytes (`maxHeaderBytes`)")
        streams = at(entry_point, "http2", "maxConcurrentStreams")
        if not isinstance(streams, int) or not 0 < streams <= MAX_STREAMS:
            yield Violated(f"the entry point {name} takes {streams or 'any number of'} streams of one connection")


def _seconds(value: Any) -> float | None:
    """Return a duration as Traefik writes it, in seconds; None where it is none."""
    found = DURATION.fullmatch(str(value))
    return int(found[1]) * SECONDS[found[2] or "s"] if found else None


_ENTRY = "entryPoints.websecure"
_READ = f"{_ENTRY}.transport.respondingTimeouts.readTimeout"

RULE = Rule(
    id="slow-clients",
    title="A client that is slow on purpose does not hold the proxy",
    family="serving",
    severity="medium",
    why=(
        "A client that sends one byte a minute keeps a connection, and a thousand of them keep everybody else out. It "
        "needs neither a token nor bandwidth for it."
    ),
    remediation=(
        "Bound reading, idling, headers and streams at the entry point; `limits.request_timeout_s` bounds answers."
    ),
    controls=("nist SC-5", "nist SC-10", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/",),
    good=(
        Example("a minute for a request", files=examples.traefik()),
        Example("the same in seconds", files=examples.traefik({_READ: 60})),
    ),
    bad=(
        Example("no bound for reading", files=examples.traefik({_READ: "0s"})),
        Example("an hour", files=examples.traefik({_READ: "1h"})),
        Example("no bound for idling", files=examples.traefik({f"{_ENTRY}.transport": {}})),
        Example("headers of any size", files=examples.traefik({f"{_ENTRY}.http.maxHeaderBytes": ...})),
        Example("ten thousand streams", files=examples.traefik({f"{_ENTRY}.http2.maxConcurrentStreams": 10000})),
    ),
    on_files=on_traefik(_judge),
)
