"""How long a stack may live, from what the command line and the profile say."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from lifecycle.durations import parse_duration
from planner.capacity import moment
from planner.deadline import Lifetime, check_until
from planner.errors import DeployError, UsageError
from planner.plan import Plan
from planner.profile import LifetimeSection


def asked_lifetime(
    section: LifetimeSection, *, ttl: str, until: str, max_cost: float | None, now: datetime
) -> Lifetime | None:
    """Return how long a stack may live from now on; None for as long as it is wanted.

    Args:
        section: of the profile; what the command line says comes before it.
        ttl: a duration, or empty.
        until: a moment, or empty.
        max_cost: USD, or None.
        now: the present moment.

    Raises:
        UsageError: that is no duration or moment, both are given, or the deadline is too near or too far.

    """
    if ttl and until:
        raise UsageError("--ttl and --until say the same in two ways", hint="Give one of them.")
    if max_cost is not None and not 0 < max_cost < math.inf:
        raise UsageError(f"--max-cost {max_cost}: nothing runs for that", hint="Give an amount of USD above 0.")
    now = now.replace(second=0, microsecond=0)
    ttl = ttl or ("" if until else section.ttl or "")
    deadline = _moment(until) if until else now + timedelta(seconds=parse_duration(ttl)) if ttl else None
    limit = section.max_cost_usd if max_cost is None else max_cost
    if deadline is None and limit is None:
        return None
    if deadline is not None:
        check_until(deadline, now)
    return Lifetime(since=now, until=deadline, max_cost_usd=limit)


def _moment(text: str) -> datetime:
    """Read a date or a moment, in UTC unless it says otherwise, to the minute."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--until {text!r} is no moment", hint="Write it as 2026-12-01T18:00, in UTC, or with its zone."
        ) from None
    aware = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    return aware.replace(second=0, microsecond=0)


def refuse_expired(plan: Plan, now: datetime) -> None:
    """Refuse to work on a stack whose deadline has passed: its machines are gone, or about to be.

    Raises:
        DeployError: it has.

    """
    if plan.deadline and plan.deadline.until <= now:
        raise DeployError(
            f"the deadline of stack {plan.stack!r} has passed: it was {moment(plan.deadline.until)}",
            hint=f"`deploy down --stack {plan.stack}` takes away what is left; a new `deploy up` sets a new deadline.",
            code="deadline_passed",
        )
