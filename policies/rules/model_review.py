"""Somebody looks at the choice of the model again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from planner.catalogue import load_catalogue
from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated


def on_day(plan: Plan, today: date) -> Iterator[Answer]:
    """Judge whether the model's date of review has passed."""
    row = load_catalogue().models[plan.model.name]
    if today > row.review_by:
        yield Violated(f"{row.name} was to be looked at again by {row.review_by}: is there a better or safer one?")


_PLAN = examples.changed(model={"name": "gpt-oss-20b"})

RULE = Rule(
    id="model-review",
    title="The model is not past its date of review",
    family="lifecycle",
    severity="low",
    level="advisory",
    why=(
        "Open models age within months: what makes them say what they should not becomes known, and newer ones are "
        "harder to talk round. Nobody looks again unless a date says so."
    ),
    remediation="Compare with `deploy models`, then choose another `model.name` or move `review_by` in the catalogue.",
    controls=("nist SA-22", "iso27001 A.8.8", "owasp-llm LLM03"),
    references=("https://genai.owasp.org/llmrisk/llm032025-supply-chain/",),
    good=(
        Example("when it was chosen", plan=_PLAN, day=date(2026, 11, 20)),
        Example("a model of one's own", plan=examples.plan(), day=date(2099, 1, 1)),
    ),
    bad=(
        Example("a decade later", plan=_PLAN, day=date(2036, 11, 20)),
        Example("in another century", plan=_PLAN, day=date(2126, 11, 20)),
    ),
    on_day=where(lambda plan: plan.model.name in load_catalogue().models, on_day),
)
