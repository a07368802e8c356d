"""Records are kept long enough, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from planner.resources import Resource
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Stack, Violated
from policies.values import at, require

SERVICE_DAYS = 30
"""An intrusion is found after weeks: what was deleted by then tells nothing."""
LONGEST_DAYS = 3653
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    days = plan.logs.retention_days
    if days < SERVICE_DAYS:
        yield Violated(
            f"records of a service are deleted after {days} days, before anybody has looked for an intrusion"
        )


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge what log groups are told; a group that is told nothing keeps for ever."""
    for group in stack.of_type(LOG_GROUP):
        days = at(group.inputs, "retentionInDays")
        for answer in require(
            days, _bounded, "retentionInDays", f"records are kept {_words(days)} (`retentionInDays`)"
        ):
            yield _at(answer, group)
        if stack.plan and isinstance(days, int) and 0 < days < stack.plan.logs.retention_days:
            yield Violated(
                f"records are deleted after {days} days, before the plan's {stack.plan.logs.retention_days}", group
            )


def _bounded(days: object) -> bool:
    return isinstance(days, int) and 0 < days <= LONGEST_DAYS


def _words(days: object) -> str:
    return f"for {days} days" if days else "for ever"


def _at(answer: Answer, group: Resource) -> Answer:
    return Violated(answer.message, group) if isinstance(answer, Violated) else type(answer)(answer.what, group)


def _group(**inputs: Any) -> tuple[Resource, ...]:
    return (examples.resource(LOG_GROUP, "audit", **inputs),)


RULE = Rule(
    id="log-retention",
    title="Records are kept for a stated time",
    family="observability",
    severity="medium",
    why=(
        "Records that are gone before the intrusion is noticed show nobody what was taken. Records that are kept "
        "for ever are personal data without a reason."
    ),
    remediation="Set `aws.log_retention_days`; systems of high risk under the AI Act need 180.",
    controls=(
        "nist AU-11",
        "iso27001 A.5.33",
        "iso27001 A.8.10",
        "soc2 CC7.2",
        "gdpr Art. 5(1)(e)",
        "ai-act Art. 26(6)",
    ),
    references=("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html",),
    good=(
        Example("90 days", _group(retentionInDays=90), examples.plan()),
        Example(
            "a week, for a proof of concept",
            plan=examples.changed(purpose="proof-of-concept", logs={"retention_days": 7}),
        ),
    ),
    bad=(
        Example("for ever", _group()),
        Example("for ever, in the account's words", _group(retentionInDays=0)),
        Example("shorter than the plan says", _group(retentionInDays=30), examples.plan()),
        Example("a week, for a service", plan=examples.changed(logs={"retention_days": 7})),
    ),
    on_plan=where(lambda plan: plan.purpose == "service" and plan.target != "metal", on_plan),
    on_stack=on_stack,
)
