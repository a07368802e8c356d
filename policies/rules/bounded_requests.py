"""A request has an end, and a size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from planner.plan import Plan
from policies import examples
from policies.readers import on_gateway, table
from policies.rule import Answer, Example, Rule, Violated

MOST = {
    "max_body_bytes": 64 * 2**20,
    "request_timeout_s": 3600,
    "max_connections": 65_536,
    "max_in_flight": 16_384,
}
"""Upper bounds: beyond them a limit limits nothing that the host could carry."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    yield from _judge(msgspec.structs.asdict(plan.gateway))


def _on_gateway(config: Any) -> Iterator[Answer]:
    yield from _judge(table(config, "limits"))


def _judge(limits: Mapping[str, Any]) -> Iterator[Answer]:
    for name, most in MOST.items():
        value = limits.get(name)
        if not isinstance(value, int) or not 0 < value <= most:
            yield Violated(f"`{name}` is {value}, and must be between 1 and {most}")


RULE = Rule(
    id="bounded-requests",
    title="Size, time and number of requests are bounded",
    family="serving",
    severity="high",
    why=(
        "One client with a valid token can otherwise hold every GPU for hours, or fill the host's memory with a single "
        "body. What it costs is paid by whoever runs the stack."
    ),
    remediation=(
        "Set `limits.max_body_mib`, `limits.request_timeout_s`, `limits.max_connections` and `limits.max_in_flight`."
    ),
    controls=("owasp-llm LLM10", "nist SC-5", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",),
    good=(
        Example("bounds", plan=examples.plan()),
        Example("bounds, in the file", files=examples.gateway()),
    ),
    bad=(
        Example("a day for a request", plan=examples.changed(gateway={"request_timeout_s": 86400})),
        Example("a body of a GiB", plan=examples.changed(gateway={"max_body_bytes": 2**30})),
        Example("no bound for bodies, in the file", files=examples.gateway({"limits.max_body_bytes": ...})),
        Example("a million requests, in the file", files=examples.gateway({"limits.max_in_flight": 10**6})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
