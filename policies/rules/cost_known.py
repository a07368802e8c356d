"""Somebody knows what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whether a price is known where somebody pays."""
    if plan.cost.usd_per_hour is None:
        yield Violated("nobody knows what its machines cost by the hour, so no limit of costs can hold")


RULE = Rule(
    id="cost-known",
    title="What the machines cost is known before they start",
    family="lifecycle",
    severity="low",
    level="advisory",
    why=(
        "A limit of costs is kept by a deadline, which follows from the price. Without one, a machine at a "
        "hundred dollars an hour runs until somebody reads the bill."
    ),
    remediation=(
        "Add the price to a catalogue of your own, or set `lifetime.ttl`; `deploy cost --profile 2xh200` shows "
        "what is known."
    ),
    controls=("nist SC-6", "iso27001 A.8.6"),
    references=("https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",),
    good=(
        Example("a price", plan=examples.with_node()),
        Example("the sandbox", plan=examples.changed(cost={"usd_per_hour": None})),
    ),
    bad=(
        Example("no price", plan=examples.without_price()),
        Example("no price, spot", plan=examples.without_price(capacity="spot")),
    ),
    on_plan=where(lambda plan: plan.target == "aws" and plan.nodes, on_plan),
)
