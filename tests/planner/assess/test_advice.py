"""What surrounds the numbers: scores, risks, the first thirty days."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from planner.assess.assessment import assess
from planner.assess.criteria import STRATEGIES, load_criteria, weighted
from planner.assess.report import Assessment
from planner.assess.situation import ApiUse, Demand, Hardware, Situation, Throughput, Weights
from tests.planner.assess.book import ASSUMPTIONS, catalogue
from tests.planner.assess.drawn import situations

pytestmark = pytest.mark.slow

RATE = Throughput(low=1000, typical=2000, high=3000)


def assessed(**changes: object) -> Assessment:
    values: dict[str, object] = {
        "data": "open",
        "demand": Demand(tokens_in_per_month=20e9, tokens_out_per_month=4e9),
        "api": (ApiUse(model="big"),),
        "hardware": (Hardware(host="node", capacity="on-demand", region="north", tokens_per_s=RATE),),
    }
    return assess(Situation(**(values | changes)), catalogue())  # type: ignore[arg-type]  # fields by name, of several types


@settings(max_examples=25)
@given(situations())
def test_the_advice_is_the_allowed_strategy_with_the_best_score(situation: Situation) -> None:
    found = assess(situation, catalogue())
    advice = found.recommendation
    allowed = {strategy: advice.scores[strategy] for strategy in STRATEGIES if found.bill(strategy).allowed}
    named = {"api": "api-first", "hybrid": "hybrid", "self-host": "self-host-first"}
    if allowed:
        assert advice.advice == named[max(allowed, key=lambda strategy: allowed[strategy])]
    else:
        assert advice.advice == "none"
    if situation.data == "sensitive":
        assert advice.advice in {"self-host-first", "none"}
    assert sum(row.weight for row in advice.criteria) == pytest.approx(1)
    assert all(0 <= score <= 10 + 1e-9 for row in advice.criteria for score in row.scores.values())
    assert weighted(advice.criteria) == advice.scores


def test_the_cheapest_strategy_has_the_whole_cost_score() -> None:
    found = assessed()
    cost = next(row for row in found.recommendation.criteria if row.name == "cost")
    totals = {strategy: found.bill(strategy).total.typical for strategy in STRATEGIES}
    cheapest = min(totals.values())
    assert cost.scores == pytest.approx({strategy: 10 * cheapest / amount for strategy, amount in totals.items()})


def test_shipped_weights_are_a_whole_and_dated() -> None:
    criteria = load_criteria()
    names = ("cost", "control", "operations", "flexibility", "quality", "latency")
    assert sum(getattr(criteria, name).weight for name in names) == pytest.approx(1)
    assert criteria.as_of.year >= 2026


def test_a_weight_of_one_s_own_is_scaled_with_the_others() -> None:
    weights = {row.name: row.weight for row in assessed(weights=Weights(cost=1.0)).recommendation.criteria}
    assert weights["cost"] == pytest.approx(1 / 1.65)
    assert weights["control"] == pytest.approx(0.2 / 1.65)


def titles(found: Assessment) -> set[str]:
    return {risk.title for risk in found.risks}


def test_risks_follow_from_the_answers() -> None:
    small = assessed(demand=Demand(tokens_in_per_month=1e6, tokens_out_per_month=1e6, growth_per_month=0.2))
    assert "Growth that is a guess" in titles(small)
    assert "A provider changes model, price or terms" in titles(small)
    lone = Hardware(host="node", capacity="capacity-block", region="north", spare_replicas=0, tokens_per_s=RATE)
    own = assessed(data="sensitive", hardware=(lone,))
    assert {"No spare replica", "Capacity Blocks end", "Models age", "A team that is new to this"} <= titles(own)
    assert "Confidential data at a third party" not in titles(own)


def test_idle_machines_are_a_risk() -> None:
    idle = assessed(data="sensitive", demand=Demand(tokens_in_per_month=1e6, tokens_out_per_month=1e6))
    assert "Idle machines" in titles(idle)


def test_unverified_prices_are_a_risk_and_marked() -> None:
    import msgspec

    book = catalogue()
    shaky = {name: msgspec.structs.replace(row, verified=False) for name, row in book.apis.items()}
    situation = assessed().situation
    found = assess(situation, msgspec.structs.replace(book, apis=shaky))
    assert "Prices that are not from a primary source" in titles(found)
    assert [row.what for row in found.sources if not row.verified] == ["API Big"]
    assert "Prices that are not from a primary source" not in titles(assessed())


def test_every_row_used_is_a_source_once() -> None:
    found = assessed()
    names = [row.what for row in found.sources]
    assert len(names) == len(set(names))
    assert {"API Big", "node on-demand north, per hour", "staff-year", "max-utilisation"} <= set(names)


def test_the_first_days_have_every_week_a_thing_to_run_or_read_and_a_reason_to_stop() -> None:
    steps = assessed().first_days
    assert {step.week for step in steps} == {1, 2, 3, 4}
    assert all(step.how and step.stop for step in steps)
    assert sum(bool(re.search(r"`[^`]+`", step.how)) for step in steps) >= 6


def test_what_sensitive_data_may_not_do_is_not_asked_of_it_in_the_first_days() -> None:
    steps = assessed(data="sensitive").first_days
    assert "nothing sensitive goes to a hosted API" in steps[0].how
    assert "usage export" not in steps[0].how


def test_curves_meet_at_the_break_even_volume() -> None:
    found = assessed(
        hardware=(Hardware(host="node", capacity="on-demand", region="north", replicas_per_host=8, tokens_per_s=RATE),)
    )
    crossing = next(row for row in found.break_evens if row.strategy == "self-host").volume
    assert crossing.first is not None
    assert crossing.first == crossing.stays_from
    cheaper = {point.tokens: point.cost["self-host"] < point.cost["api"] for point in found.volumes}
    assert set(cheaper.values()) == {False, True}
    assert all(own == (tokens > crossing.first) for tokens, own in cheaper.items())


def test_advice_that_is_not_the_cheapest_says_so_and_why() -> None:
    weights = Weights(cost=0.2, control=0, operations=0.8, flexibility=0, quality=0, latency=0)
    fast = Hardware(host="node", capacity="on-demand", region="north", replicas_per_host=8, tokens_per_s=RATE)
    found = assessed(weights=weights, hardware=(fast,))
    gap = found.bill("api").total.typical - found.bill("self-host").total.typical
    assert gap > 0
    assert found.recommendation.advice == "api-first"
    assert found.recommendation.because[1] == (
        f"it is not the cheapest: self-hosting costs {gap:,.0f} EUR less; what outweighs that most: Can the team run it"
    )
    cheapest = assessed(weights=Weights(cost=1, operations=0), hardware=(fast,))
    assert cheapest.recommendation.advice == "self-host-first"
    assert not any("not the cheapest" in sentence for sentence in cheapest.recommendation.because)


def test_the_example_is_assessed_with_the_shipped_catalogue() -> None:
    from planner.assess.example import EXAMPLE
    from planner.catalogue import load_catalogue

    found = assess(EXAMPLE, load_catalogue())
    assert all(bill.total.low > 0 for bill in found.bills)
    assert {row.kind for row in found.sources} == {"price", "assumption", "machine"}
    assert set(ASSUMPTIONS) <= set(load_catalogue().assumptions)
