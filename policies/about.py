"""What a check is about, where it is handed one thing and has nothing to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Concatenate, ParamSpec

from planner.plan import Plan
from planner.resources import Resource
from policies.rule import Answer

P = ParamSpec("P")


def by_type(
    judges: Mapping[str, Callable[[Resource], Iterable[Answer]]],
) -> Callable[[Resource], Iterable[Answer] | None]:
    """Make a check of one resource from one for each type that the rule is about.

    A rule that forbids a type by its mere presence is about every resource, and is written without this.
    """

    def judge(resource: Resource) -> Iterable[Answer] | None:
        check = judges.get(resource.type)
        return None if check is None else check(resource)

    return judge


def where(
    concerned: Callable[[Plan], object], check: Callable[Concatenate[Plan, P], Iterable[Answer]]
) -> Callable[Concatenate[Plan, P], Iterable[Answer] | None]:
    """Make a check of a plan from one of those that have what the rule is about.

    Args:
        concerned: tells whether a plan has it: receivers of alerts, machines of an account, sensitive data.
        check: judges such a plan.

    """

    def judge(plan: Plan, /, *further: P.args, **named: P.kwargs) -> Iterable[Answer] | None:
        return check(plan, *further, **named) if concerned(plan) else None

    return judge
