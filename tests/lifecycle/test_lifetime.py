"""What the command line and the profile say about a stack's life, and that a stack keeps what it was made with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.home import Home
from lifecycle.lifetime import asked_lifetime, refuse_expired
from lifecycle.planning import Request, decide, remember
from planner.deadline import Lifetime
from planner.errors import DeployError, UsageError
from planner.profile import LifetimeSection

NOW = datetime(2026, 12, 1, 9, 0, 30, tzinfo=UTC)
MINUTE = NOW.replace(second=0)
HOURS_8 = timedelta(hours=8)


def asked(section: LifetimeSection | None = None, **said: Any) -> Lifetime | None:
    usual: dict[str, Any] = {"ttl": "", "until": "", "max_cost": None, "now": NOW}
    return asked_lifetime(section or LifetimeSection(), **{**usual, **said})


def test_nothing_asked_is_no_deadline() -> None:
    assert asked() is None


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ({"ttl": "8h"}, MINUTE + HOURS_8),
        ({"until": "2026-12-01T18:00"}, datetime(2026, 12, 1, 18, tzinfo=UTC)),
        ({"until": "2026-12-01T19:00+01:00"}, datetime(2026, 12, 1, 18, tzinfo=UTC)),
        ({"section": LifetimeSection(ttl="8h")}, MINUTE + HOURS_8),
        ({"section": LifetimeSection(ttl="2d"), "ttl": "8h"}, MINUTE + HOURS_8),
        ({"section": LifetimeSection(ttl="2d"), "until": "2026-12-01T18:00Z"}, datetime(2026, 12, 1, 18, tzinfo=UTC)),
    ],
)
def test_a_moment_or_a_duration(said: dict[str, Any], until: datetime) -> None:
    assert asked(**said) == Lifetime(since=MINUTE, until=until)


def test_money_limits_as_well() -> None:
    section = LifetimeSection(ttl="8h", max_cost_usd=300.0)
    assert asked(section) == Lifetime(since=MINUTE, until=MINUTE + HOURS_8, max_cost_usd=300.0)
    assert asked(section, max_cost=50.0) == Lifetime(since=MINUTE, until=MINUTE + HOURS_8, max_cost_usd=50.0)
    assert asked(max_cost=50.0) == Lifetime(since=MINUTE, max_cost_usd=50.0)


@pytest.mark.parametrize(
    "said",
    [
        {"ttl": "8h", "until": "2026-12-01T18:00"},
        {"ttl": "8"},
        {"ttl": "5m"},
        {"until": "tomorrow"},
        {"until": "2026-12-01T08:00"},
        {"max_cost": 0.0},
        {"max_cost": -1.0},
    ],
)
def test_what_is_wrong_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refusal:
        asked(**said)
    assert refusal.value.hint


def test_a_stack_keeps_its_deadline_and_gets_none_later(tmp_path: Path) -> None:
    home = Home(tmp_path).stack("kept")
    plan, kept = decide(home, Request(profile="2xh200", ttl="8h"))
    home.create()
    remember(home, plan, kept)
    again, _ = decide(home, Request(profile="2xh200", ttl="9h"))
    assert plan.deadline is not None
    assert again.deadline == plan.deadline
    assert decide(home, Request())[0].deadline == plan.deadline
    remember(home, plan, msgspec.structs.replace(kept, lifetime=None))
    for request in (Request(profile="2xh200", ttl="8h"), Request(ttl="8h")):
        with pytest.raises(UsageError) as refusal:
            decide(home, request)
        assert refusal.value.code == "no_deadline"


def test_a_stack_past_its_deadline_is_not_started_again(tmp_path: Path) -> None:
    plan, _ = decide(Home(tmp_path).stack("late"), Request(profile="2xh200", ttl="8h"))
    assert plan.deadline is not None
    refuse_expired(plan, plan.deadline.until - timedelta(minutes=1))
    with pytest.raises(DeployError) as refusal:
        refuse_expired(plan, plan.deadline.until)
    assert refusal.value.code == "deadline_passed"
    refuse_expired(msgspec.structs.replace(plan, deadline=None), plan.deadline.until)


@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_amount_of_money_is_refused(amount: float) -> None:
    with pytest.raises(UsageError, match="nothing runs for that"):
        asked(max_cost=amount)
