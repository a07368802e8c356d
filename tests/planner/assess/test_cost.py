"""Costs add up, item by item, and agree with what a person computes by hand."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from planner.assess.bills import bill
from planner.assess.capacity import hosts, utilisation
from planner.assess.criteria import STRATEGIES
from planner.assess.figures import CASES, MONTHS, Figures
from planner.assess.situation import ApiUse, Demand, Hardware, Situation, Team, Throughput
from planner.assess.tco import items, monthly_cash, monthly_cost, total
from planner.assess.unit_cost import cost_per_million
from planner.ranges import Range
from tests.planner.assess.drawn import figures_of, situations

STEADY = Demand(
    tokens_in_per_month=1_000e6,
    tokens_out_per_month=200e6,
    peak_factor=4,
    batch_share=0.25,
    cached_share=0.4,
    retry_share=0.0,
    tool_overhead_share=0.25,
)
RATE = Throughput(low=100, typical=200, high=400)


def steady(host: str, capacity: str, **more: object) -> Figures:
    option = Hardware(host=host, capacity=capacity, replicas_per_host=2, tokens_per_s=RATE, **more)  # type: ignore[arg-type]  # drawn by name
    situation = Situation(data="open", demand=STEADY, api=(ApiUse(model="big"),), hardware=(option,))
    return figures_of(situation)["typical"]


def by_name(figures: Figures, strategy: str) -> dict[str, float]:
    return {item.name: sum(item.cost) for item in items(figures, strategy)}  # type: ignore[arg-type]  # as above


def test_the_api_by_hand() -> None:
    # 1000 M prompts at 4, of which 40 % cached at 1; 200 M generated at 16; a quarter more for tools; a quarter of all
    # at half the price.
    month = 600 * 4 + 400 * 1 + 200 * 16
    assert by_name(steady("node", "on-demand", region="north"), "api") == pytest.approx({
        "api-prompts": 600 * 4 * 24,
        "api-cached": 400 * 24,
        "api-generated": 200 * 16 * 24,
        "api-overhead": month * 0.25 * 24,
        "api-batch": -month * 1.25 * 0.25 * 0.5 * 24,
        "staff": 0.1 * 110_000 * 2,
        "setup": 5 * 500,
        "refresh": 2 * 500 * 6,
    })  # fmt: skip


def test_rented_hosts_by_hand() -> None:
    # 200 M x 1.25 / 2,628,000 s = 95.1 tokens/s; busiest hour, without what can wait: x 4 x 0.75 = 285; a replica is
    # planned at 200 x 0.5 = 100, so 3 replicas: 2 hosts of 2 replicas, and with the spare one still 2.
    figures = steady("node", "on-demand", region="north")
    assert hosts(figures, "self-host")[0] == (2, 2)
    assert utilisation(figures, "self-host")[0] == pytest.approx(250e6 / (2 * 2 * 200 * 2_628_000))
    assert by_name(figures, "self-host") == pytest.approx({
        "hosts": 2 * 40 * 730 * 24,
        "platform": 500 * 24,
        "staff": 0.5 * 110_000 * 2,
        "setup": 25 * 500,
        "refresh": 5 * 500 * 6,
    })  # fmt: skip


def test_bought_hosts_by_hand() -> None:
    # Two spare replicas more are a host more: 5 replicas on 3 hosts, of which 2 are needed. Price 300,000, a tenth left
    # after 48 months: 5,625 lost a month and host.
    figures = steady("box", "bought", spare_replicas=2)
    assert hosts(figures, "self-host")[0] == (2, 3)
    lost = 300_000 * 0.9 / 48
    worth = sum(300_000 - lost * month for month in range(24))
    assert by_name(figures, "self-host") == pytest.approx({
        "hosts": 2 * lost * 24,
        "spare": lost * 24,
        "capital": 3 * worth * 0.08 / 12,
        "repairs": 3 * 300_000 * 0.05 * 2,
        "power": 3 * 10 * 0.7 * 1.3 * 730 * 0.2 * 24,
        "colocation": 3 * 10 * 150 * 24,
        "platform": 500 * 24,
        "staff": 0.5 * 110_000 * 2,
        "setup": 25 * 500,
        "refresh": 5 * 500 * 6,
    })  # fmt: skip
    lines = {line.name: line for line in items(figures, "self-host")}
    assert lines["hosts"].cash[0] == pytest.approx(2 * 300_000)
    assert lines["hosts"].cash[-1] == pytest.approx(-2 * (300_000 - 24 * lost))


def test_a_capacity_block_is_paid_ahead() -> None:
    rent = next(line for line in items(steady("node", "capacity-block"), "self-host") if line.name == "hosts")
    month = 2 * 30 * 730
    assert rent.cost == pytest.approx((month,) * 24)
    assert [amount for amount in rent.cash if amount] == pytest.approx([6 * month] * 4)


def test_a_hybrid_pays_escalated_answers_twice() -> None:
    figures = steady("node", "on-demand", region="north")
    figures = replace(figures, local_share=0.8, escalation_share=0.25)
    hosted, whole = by_name(figures, "hybrid")["api-generated"], by_name(figures, "api")["api-generated"]
    assert hosted == pytest.approx(whole * (0.2 + 0.8 * 0.25))
    assert by_name(figures, "hybrid")["hosts"] > 0


def test_hosts_rented_for_part_of_the_month_carry_the_same_demand_in_less_time() -> None:
    part = steady("node", "on-demand", region="north", hours_per_month=73)
    # A tenth of the time: ten times the mean rate, which is more than the busiest hour. 951 / 100: 10 replicas.
    assert hosts(part, "self-host")[0] == (5, 6)
    assert by_name(part, "self-host")["hosts"] == pytest.approx(5 * 40 * 73 * 24)


@settings(max_examples=60)
@given(situations())
def test_items_add_up_to_the_total_in_every_month_and_case(situation: Situation) -> None:
    cases = figures_of(situation)
    for strategy in STRATEGIES:
        made = bill(cases, strategy, "x", allowed=True)
        for case in CASES:
            lines = items(cases[case], strategy)
            assert sum(monthly_cost(lines)) == pytest.approx(total(lines))
            assert sum(getattr(line, case) for line in made.lines) == pytest.approx(getattr(made.total, case))
            # What is paid and what is used up come to the same: machines are credited with what is left of them.
            assert sum(monthly_cash(lines)) == pytest.approx(total(lines), rel=1e-6)
        assert made.cumulative[-1] == pytest.approx(made.total.typical, rel=1e-6)
        assert len(made.cumulative) == MONTHS


@settings(max_examples=60)
@given(situations())
def test_the_cheap_case_is_the_cheapest(situation: Situation) -> None:
    cases = figures_of(situation)
    for strategy in STRATEGIES:
        made = bill(cases, strategy, "x", allowed=True).total
        assert made.low <= made.typical * (1 + 1e-9)
        assert made.typical <= made.high * (1 + 1e-9)


@settings(max_examples=60)
@given(situations())
def test_hosts_carry_the_busiest_hour_and_machines_are_never_more_than_busy(situation: Situation) -> None:
    figures = figures_of(situation)["typical"]
    for strategy in ("hybrid", "self-host"):
        for month, busy in zip(hosts(figures, strategy), utilisation(figures, strategy), strict=True):
            assert 1 <= month.needed <= month.total
            assert 0 < busy <= figures.own.max_utilisation * (1 + 1e-6)


@settings(max_examples=40)
@given(situations())
def test_more_demand_never_costs_less(situation: Situation) -> None:
    figures = figures_of(situation)["typical"]
    more = replace(figures, tokens_in=figures.tokens_in * 2, tokens_out=figures.tokens_out * 2)
    for strategy in STRATEGIES:
        assert total(items(more, strategy)) >= total(items(figures, strategy)) * (1 - 1e-9)


def test_cost_per_million_by_hand() -> None:
    # 36 an hour is 0.01 a second; at half of 1000 tokens a second, 2e-5 a token.
    found = cost_per_million(36, Range(low=500, typical=1000, high=2000), 0.5)
    assert (found.low, found.typical, found.high) == pytest.approx((10, 20, 40))


@pytest.mark.parametrize("utilisation", [0, -0.1, 1.01, math.nan])
def test_an_impossible_utilisation_is_refused(utilisation: float) -> None:
    with pytest.raises(ValueError, match="utilisation"):
        cost_per_million(1, Range(low=1, typical=1, high=1), utilisation)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens per second"):
        cost_per_million(1, Range(low=0, typical=1, high=1), 1)


def test_a_team_s_own_share_replaces_the_assumption() -> None:
    option = Hardware(host="node", capacity="on-demand", region="north", tokens_per_s=RATE)
    situation = Situation(
        data="open",
        demand=STEADY,
        team=Team(staff_share_self_host=2),
        api=(ApiUse(model="big"),),
        hardware=(option,),
    )
    assert figures_of(situation)["high"].staff["self-host"].share == 2
    assert figures_of(situation)["high"].staff["hybrid"].share == 0.9


def test_a_machine_that_has_lost_its_value_loses_no_more() -> None:
    figures = replace(steady("box", "bought"), life_months=12.0)
    lost = next(line for line in items(figures, "self-host") if line.name == "hosts").cost
    assert lost[:12] == pytest.approx((2 * 300_000 * 0.9 / 12,) * 12)
    assert lost[12:] == pytest.approx((0,) * 12)


@pytest.mark.parametrize(
    ("capacity", "growth", "counts"),
    [
        ("on-demand", 0.1, (2, 2, 3, 4, 5, 6, 8, 11)),
        ("on-demand", -0.1, (2, 2, 1, 1, 1, 1, 1, 1)),
        ("capacity-block", 0.1, (3, 3, 5, 5, 8, 8, 13, 13)),
        ("capacity-block", -0.1, (2, 2, 1, 1, 1, 1, 1, 1)),
        ("reserved", -0.1, (2, 2, 2, 2, 2, 2, 2, 2)),
        ("bought", -0.1, (2, 2, 2, 2, 2, 2, 2, 2)),
    ],
)
def test_hosts_follow_the_demand_as_far_as_they_are_bound(
    capacity: str, growth: float, counts: tuple[int, ...]
) -> None:
    # 2.85 replicas at first, two to a host; a Capacity Block has what its busiest month takes. Every third month.
    base = steady("node", "on-demand", region="north", spare_replicas=0)
    figures = replace(base, growth=growth, own=replace(base.own, capacity=capacity))
    assert tuple(month.total for month in hosts(figures, "self-host"))[::3] == counts


def test_each_case_takes_every_figure_at_its_own_end() -> None:
    option = Hardware(host="box", capacity="bought", tokens_per_s=RATE)
    cases = figures_of(Situation(data="open", demand=STEADY, api=(ApiUse(model="big"),), hardware=(option,)))
    low, high = cases["low"], cases["high"]
    dearer_the_more = (
        "electricity", "pue", "draw", "colocation", "capital_rate", "repair_rate", "platform", "staff_year",
    )  # fmt: skip
    assert all(getattr(low, name) < getattr(high, name) for name in dearer_the_more)
    assert all(getattr(low, name) > getattr(high, name) for name in ("life_months", "residual_share", "refresh_months"))
    assert (low.own.price, high.own.price) == (240_000, 360_000)
    assert (low.own.tokens_per_s, high.own.tokens_per_s) == (400, 100)
    assert (low.own.max_utilisation, high.own.max_utilisation) == (0.7, 0.4)
    for strategy in STRATEGIES:
        assert all(
            one < other
            for one, other in zip(
                msgspec.structs.astuple(low.staff[strategy]), msgspec.structs.astuple(high.staff[strategy]), strict=True
            )
        )


def test_machines_per_million_generated_by_hand() -> None:
    option = Hardware(host="node", capacity="on-demand", region="north", replicas_per_host=2, tokens_per_s=RATE)
    cases = figures_of(Situation(data="open", demand=STEADY, api=(ApiUse(model="big"),), hardware=(option,)))
    found = bill(cases, "self-host", "x", allowed=True)
    full = found.generated_full
    assert full is not None
    # 40 an hour for two replicas of 400, 200 or 100 tokens a second.
    assert (full.low, full.typical, full.high) == pytest.approx(
        (40 / (2 * 400 * 3600) * 1e6, 40 / (2 * 200 * 3600) * 1e6, 40 / (2 * 100 * 3600) * 1e6)
    )
    assert found.generated_expected is not None
    assert found.generated_expected.typical == pytest.approx(full.typical / found.utilisation)
