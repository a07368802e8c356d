"""A break-even is where the curves cross."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from planner.assess.break_even import at_volume, break_even_month, break_even_volume, month_from_which, total_at
from planner.assess.capacity import hosts
from planner.assess.figures import Figures
from planner.assess.situation import Situation
from planner.assess.tco import items, monthly_cash
from tests.planner.assess.drawn import figures_of, situations
from tests.planner.assess.test_cost import steady

pytestmark = pytest.mark.slow


def gap(figures: Figures, tokens: float) -> float:
    return total_at(figures, "self-host", tokens) - total_at(figures, "api", tokens)


@settings(max_examples=50)
@given(situations())
def test_both_cost_the_same_at_break_even(situation: Situation) -> None:
    figures = figures_of(situation)["typical"]
    for strategy in ("hybrid", "self-host"):
        found = break_even_volume(figures, strategy)
        for volume in {found.first, found.stays_from} - {None, 0.0}:
            assert volume is not None
            own, api = total_at(figures, strategy, volume), total_at(figures, "api", volume)
            assert own == pytest.approx(api, rel=1e-6)
            less = volume * 0.9999
            if hosts(at_volume(figures, less), strategy) == hosts(at_volume(figures, volume), strategy):
                assert total_at(figures, strategy, less) > total_at(figures, "api", less)


@settings(max_examples=50)
@given(situations())
def test_beyond_the_last_break_even_own_capacity_is_never_dearer(situation: Situation) -> None:
    figures = figures_of(situation)["typical"]
    found = break_even_volume(figures, "self-host")
    if found.stays_from is None:
        assert gap(figures, found.searched_to) > 0 or found.first is None
        return
    step = (found.searched_to - found.stays_from) / 23
    for number in range(1, 24):
        tokens = found.stays_from + number * step
        assert gap(figures, tokens) <= 1e-6 * total_at(figures, "api", tokens)


def test_break_even_by_hand() -> None:
    # One host carries it: 40 x 730 + 500 + staff and refresh a month. The API's staff and refresh come off, and what a
    # million tokens costs there: 5/6 prompts at (0.6 x 4 + 0.4 x 1), 1/6 generated at 16, x 1.25 x (1 - 0.25 x 0.5).
    figures = replace(steady("node", "on-demand", region="north"), own=steady("node", "on-demand", region="north").own)
    figures = replace(figures, own=replace(figures.own, tokens_per_s=100_000.0))
    own = 29_200 + 500 + 0.5 * 110_000 / 12 + (25 * 500) / 24 + 5 * 500 / 4
    api = 0.1 * 110_000 / 12 + (5 * 500) / 24 + 2 * 500 / 4
    per_million = (5 / 6 * 2.8 + 1 / 6 * 16) * 1.25 * 0.875
    found = break_even_volume(figures, "self-host")
    assert found.first == pytest.approx((own - api) / per_million * 1e6)
    assert found.stays_from == found.first


def test_where_a_token_costs_more_at_full_hosts_there_is_none() -> None:
    figures = steady("node", "on-demand", region="north")
    slow = replace(figures, own=replace(figures.own, tokens_per_s=1.0))
    found = break_even_volume(slow, "self-host")
    assert found.first is None
    assert found.stays_from is None
    assert found.searched_to > 0
    assert break_even_month(slow, "self-host") is None


def test_own_capacity_may_pay_at_first_and_no_more_later() -> None:
    # Hosts cost more than the tokens they make, but the API takes a person and own capacity none: so only the first
    # volumes are cheaper.
    figures = steady("node", "on-demand", region="north")
    staff = {**figures.staff, "self-host": replace(figures.staff["api"], share=0.0)}
    staff["api"] = replace(figures.staff["api"], share=5.0)
    slow = replace(figures, staff=staff, own=replace(figures.own, tokens_per_s=100.0))
    found = break_even_volume(slow, "self-host")
    assert found.first == 0
    assert found.stays_from is None


@settings(max_examples=50)
@given(situations())
def test_from_the_break_even_month_on_less_was_paid(situation: Situation) -> None:
    figures = figures_of(situation)["typical"]
    month = break_even_month(figures, "self-host")
    own, api = monthly_cash(items(figures, "self-host")), monthly_cash(items(figures, "api"))
    paid = [sum(own[:count]) - sum(api[:count]) for count in range(1, 25)]
    if month is None:
        assert paid[-1] > 0
    else:
        assert all(gap <= 1e-6 * sum(api) for gap in paid[month - 1 :])
        assert month == 1 or paid[month - 2] > 0


@pytest.mark.parametrize(
    ("own", "other", "month"),
    [
        ([1, 1, 1], [2, 2, 2], 1),
        ([6, 0, 0], [2, 2, 2], 3),
        ([9, 0, 0], [2, 2, 2], None),
        ([1, 9, 0], [2, 2, 2], None),
        ([9, 0, -9], [2, 2, 2], 3),
    ],
)
def test_month_from_which(own: list[float], other: list[float], month: int | None) -> None:
    assert month_from_which(own, other) == month
