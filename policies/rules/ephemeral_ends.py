"""What is to be thrown away ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from planner.plan import DeadlinePlan, Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated

LONGEST_DAYS = 31


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the deadline of a proof of concept that somebody pays for."""
    if plan.deadline is None:
        yield Violated("it is a proof of concept, and nothing ends it")
    elif plan.deadline.until - plan.deadline.since > timedelta(days=LONGEST_DAYS):
        yield Violated(f"it is a proof of concept, and ends only on {plan.deadline.until:%Y-%m-%d}")


_SINCE = datetime(2026, 12, 1, 10, tzinfo=UTC)


def _proof(days: int | None, target: str = "aws") -> Plan:
    deadline = (
        None
        if days is None
        else DeadlinePlan(since=_SINCE, until=_SINCE + timedelta(days=days), max_cost_usd=None, worst_case_usd=None)
    )
    return examples.changed(purpose="proof-of-concept", target=target, deadline=deadline)


RULE = Rule(
    id="ephemeral-ends",
    title="A proof of concept ends by itself within a month",
    family="lifecycle",
    severity="medium",
    level="advisory",
    why=(
        "A proof of concept is forgotten the week after it was shown, with its tokens, its data and its bill. Nobody "
        "patches what nobody remembers."
    ),
    remediation="Set `lifetime.ttl`, or give `--ttl 8h`; `deploy extend` moves the deadline.",
    controls=("nist SC-6", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://docs.aws.amazon.com/wellarchitected/latest/cost-optimization-pillar/welcome.html",),
    good=(
        Example("a week", plan=_proof(7)),
        Example("the sandbox, which nobody pays for", plan=_proof(None, "sandbox")),
        Example("a service", plan=examples.changed(target="aws")),
    ),
    bad=(
        Example("nothing ends it", plan=_proof(None)),
        Example("a year", plan=_proof(365)),
    ),
    on_plan=where(lambda plan: plan.purpose == "proof-of-concept" and plan.target == "aws", on_plan),
)
