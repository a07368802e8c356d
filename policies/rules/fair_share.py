"""No client can use the endpoint up alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    yield from _judge(plan.gateway.max_in_flight_per_client, plan.gateway.max_in_flight)


def _on_gateway(config: Any) -> Iterator[Answer]:
    yield from _judge(at(config, "limits", "max_in_flight_per_client"), at(config, "limits", "max_in_flight"))


def _judge(one: Any, all_: Any) -> Iterator[Answer]:
    if not isinstance(one, int) or not isinstance(all_, int) or not 0 < one < max(all_, 2):
        yield Violated(f"one client may have {one} of {all_} requests under way: it can keep out everybody else")


RULE = Rule(
    id="fair-share",
    title="One client cannot have all requests under way",
    family="serving",
    severity="medium",
    why=(
        "A loop in one application, or one stolen token, takes every place and nobody else is served. Limits for all "
        "together do not help against one."
    ),
    remediation="Set `limits.max_in_flight_per_client` below `limits.max_in_flight`.",
    controls=("owasp-llm LLM10", "nist SC-5", "nist SC-6", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",),
    good=(
        Example("a quarter", files=examples.gateway()),
        Example("a half", plan=examples.changed(gateway={"max_in_flight": 8, "max_in_flight_per_client": 4})),
    ),
    bad=(
        Example("all", plan=examples.changed(gateway={"max_in_flight": 8, "max_in_flight_per_client": 8})),
        Example("more than all, in the file", files=examples.gateway({"limits.max_in_flight_per_client": 512})),
        Example("no bound, in the file", files=examples.gateway({"limits.max_in_flight_per_client": ...})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
