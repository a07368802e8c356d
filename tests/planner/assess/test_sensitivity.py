"""The tornado: every factor moves one figure, and the rows are sorted by what that does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from planner.assess.figures import Figures
from planner.assess.sensitivity import FACTORS, difference, swings
from planner.assess.situation import ApiUse, Demand, Hardware, Hybrid, Situation, Throughput
from tests.planner.assess.drawn import figures_of, situations

BOUGHT = Situation(
    data="open",
    demand=Demand(
        tokens_in_per_month=20e9, tokens_out_per_month=4e9, growth_per_month=0.02, cached_share=0.3, batch_share=0.1
    ),
    api=(ApiUse(model="big"),),
    hybrid=Hybrid(local_share=0.7, escalation_share=0.1),
    hardware=(Hardware(host="box", capacity="bought", tokens_per_s=Throughput(low=1000, typical=2000, high=3000)),),
)


def test_every_factor_has_an_effect_where_it_matters() -> None:
    cases = figures_of(BOUGHT)
    assert {swing.name for swing in swings(cases, "hybrid")} == {factor.name for factor in FACTORS}
    assert "escalation" not in {swing.name for swing in swings(cases, "self-host")}


@pytest.mark.parametrize(
    ("name", "dearer_own"),
    [
        ("api-price", "low"), ("machine-price", "high"), ("demand", "low"), ("growth", "low"), ("utilisation", "low"),
        ("throughput", "low"), ("peak", "high"), ("cached", "high"), ("staff", "high"), ("power", "high"),
        ("residual", "low"), ("escalation", "high"),
    ],
)  # fmt: skip
def test_each_factor_moves_the_result_the_way_it_must(name: str, dearer_own: str) -> None:
    swing = next(swing for swing in swings(figures_of(BOUGHT), "hybrid") if swing.name == name)
    assert (swing.at_low > swing.at_high) == (dearer_own == "low")


def test_the_labels_say_the_values() -> None:
    labels = {swing.name: (swing.low_label, swing.high_label) for swing in swings(figures_of(BOUGHT), "hybrid")}
    assert labels["api-price"] == ("-30%", "+30%")
    assert labels["growth"] == ("-3% a month", "+7% a month")
    assert labels["utilisation"] == ("40%", "70%")
    assert labels["throughput"] == ("1,000 tokens/s", "3,000 tokens/s")
    assert labels["power"] == ("0.10 per kWh", "0.30 per kWh")
    assert labels["residual"] == ("0%", "20%")


@settings(max_examples=30)
@given(situations())
def test_rows_are_sorted_by_effect_and_flips_are_true(situation: Situation) -> None:
    found = swings(figures_of(situation), "self-host")
    spans = [abs(swing.at_high - swing.at_low) for swing in found]
    assert spans == sorted(spans, reverse=True)
    assert all(swing.flips == (swing.at_low * swing.at_high < 0) for swing in found)


def test_the_difference_is_that_of_the_totals() -> None:
    figures: Figures = figures_of(BOUGHT)["typical"]
    free = replace(figures, api=replace(figures.api, in_price=0, cached_price=0, out_price=0))
    assert difference(free, "self-host") - difference(figures, "self-host") == pytest.approx(
        (20e3 * 0.7 * 4 + 20e3 * 0.3 * 1 + 4e3 * 16)
        * 1.02 * 1.1 * (1 - 0.1 * 0.5) * sum(1.02**month for month in range(24))
    )  # fmt: skip
