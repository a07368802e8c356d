"""When a stack ends, and what it can have cost by then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.deadline import (
    LONGEST,
    SHORTEST,
    SWITCH_DELAY,
    Lifetime,
    check_until,
    deadline_for,
    plan_alarm,
    plan_deadline,
    worst_case,
    written,
)
from planner.errors import PlanError
from planner.make_plan import Site, make_plan
from planner.plan import CostPlan, Plan, from_json, to_json
from planner.profile import AwsSection, LifetimeSection

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def cost(usd_per_hour: float | None) -> CostPlan:
    return CostPlan(
        usd_per_hour=0.0, usd_per_hour_on_aws=usd_per_hour, basis="no price", as_of="2026-12-01", verified=True
    )


def plan(lifetime: Lifetime | None, **aws: Any) -> Plan:
    profile = msgspec.structs.replace(load_profile("2xh200"), aws=AwsSection(**aws))
    return make_plan(profile, load_catalogue(), Site(stack="tested", lifetime=lifetime))


@pytest.mark.parametrize(
    ("max_cost", "usd_per_hour", "until"),
    [
        (60.0, 60.0, NOW + timedelta(minutes=58)),
        (500.0, 63.296, datetime(2026, 12, 1, 16, 51, tzinfo=UTC)),
        (1000.0, 1.0, NOW + 1000 * HOUR - SWITCH_DELAY),
    ],
)
def test_money_is_spent_at_the_deadline_and_not_before(max_cost: float, usd_per_hour: float, until: datetime) -> None:
    found = deadline_for(max_cost, usd_per_hour, NOW)
    assert found == until
    assert worst_case(NOW, found, usd_per_hour) <= max_cost
    assert worst_case(NOW, found + timedelta(minutes=1), usd_per_hour) > max_cost


@pytest.mark.parametrize(("max_cost", "usd_per_hour"), [(10.0, 60.0), (1e12, 1.0), (1e300, 1e-9)])
def test_money_that_lasts_too_short_or_too_long_is_refused(max_cost: float, usd_per_hour: float) -> None:
    with pytest.raises(PlanError, match="USD last") as refusal:
        deadline_for(max_cost, usd_per_hour, NOW)
    assert refusal.value.code == "bad_deadline"


def test_what_the_hint_says_is_enough_is_enough() -> None:
    minutes = (SHORTEST + SWITCH_DELAY) / timedelta(minutes=1) + 1
    assert deadline_for(60.0 * minutes / 60, 60.0, NOW) >= NOW + SHORTEST


@pytest.mark.parametrize("until", [NOW - HOUR, NOW, NOW + SHORTEST - timedelta(minutes=1), NOW + LONGEST + HOUR])
def test_a_deadline_that_is_too_near_or_too_far_is_refused(until: datetime) -> None:
    with pytest.raises(PlanError, match="deadline"):
        check_until(until, NOW)


def test_the_first_of_both_limits_counts() -> None:
    both = Lifetime(since=NOW, until=NOW + 8 * HOUR, max_cost_usd=120.0)
    by_money = plan_deadline(both, cost(60.0), "on-demand")
    by_time = plan_deadline(both, cost(6.0), "on-demand")
    assert by_money is not None
    assert by_time is not None
    assert by_money.until == NOW + 2 * HOUR - SWITCH_DELAY
    assert by_money.worst_case_usd == 120.0
    assert by_time.until == NOW + 8 * HOUR
    assert by_time.worst_case_usd == pytest.approx(6 * (8 + 2 / 60))


def test_what_cannot_be_limited_is_refused_and_time_still_can() -> None:
    money = Lifetime(since=NOW, max_cost_usd=100.0)
    with pytest.raises(PlanError, match="no price") as refusal:
        plan_deadline(money, cost(None), "on-demand")
    assert refusal.value.code == "no_price"
    with pytest.raises(PlanError, match="paid for already") as refusal:
        plan_deadline(money, cost(30.0), "capacity-block")
    assert refusal.value.code == "nothing_to_limit"
    timed = plan_deadline(Lifetime(since=NOW, until=NOW + HOUR), cost(None), "on-demand")
    assert timed is not None
    assert timed.worst_case_usd is None


def test_a_plan_carries_its_deadline_and_says_what_it_saves() -> None:
    lifetime = Lifetime(since=NOW, until=NOW + 8 * HOUR)
    made = plan(lifetime)
    assert made.deadline is not None
    assert written(made.deadline.until) == "2026-12-01T17:00:00Z"
    assert from_json(to_json(made)) == made
    (decision,) = (one for one in made.decisions if one.what == "deadline")
    assert decision.choice == "2026-12-01 17:00 UTC"
    assert not [one for one in made.decisions if one.what == "deadline, saving"]
    block = plan(lifetime, capacity="capacity-block", reservation_id="cr-0123456789abcdef0")
    (saving,) = (one for one in block.decisions if one.what == "deadline, saving")
    assert "save nothing" in saving.why
    assert plan(None).deadline is None
    assert not [one for one in plan(None).decisions if one.what.startswith("deadline")]


def test_an_alarm_tells_of_the_limit_and_limits_nothing() -> None:
    section = LifetimeSection(alarm_emails=("operators@example.com",))
    profile = msgspec.structs.replace(load_profile("2xh200"), lifetime=section)
    limited = Site(stack="tested", lifetime=Lifetime(since=NOW, max_cost_usd=500.0))
    made = make_plan(profile, load_catalogue(), limited)
    assert made.alarm is not None
    assert (made.alarm.limit_usd, made.alarm.emails) == (500.0, ("operators@example.com",))
    (decision,) = (one for one in made.decisions if one.what == "cost alarm")
    assert "no limit" in decision.why
    assert "cost allocation tag" in decision.why
    timed = plan_deadline(Lifetime(since=NOW, until=NOW + HOUR), cost(60.0), "on-demand")
    for deadline in (None, timed):
        with pytest.raises(PlanError, match="alarm_emails"):
            plan_alarm(section, deadline, "us-east-2")
    assert plan_alarm(LifetimeSection(), None, "us-east-2") is None
