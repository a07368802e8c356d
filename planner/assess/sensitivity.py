"""How far one figure at a time moves the result: the rows of a tornado chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from planner.assess.figures import Case, Figures, Strategy
from planner.assess.tco import items, total

Cases = Mapping[Case, Figures]


class Swing(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure does to the cost of own capacity less that of the API, over all months.

    Attributes:
        name: stable name.
        title: which figure.
        low_label: its lower value, in words.
        high_label: its upper value.
        at_low: the difference at the lower value; negative where own capacity is cheaper.
        at_high: the difference at the upper value.
        flips: the cheaper side changes somewhere between the two.

    """

    name: str
    title: str
    low_label: str
    high_label: str
    at_low: float
    at_high: float
    flips: bool


class Shift(NamedTuple):
    """The figures with one value moved, and the value in words."""

    figures: Figures
    label: str


class Factor(NamedTuple):
    """A figure that is moved down and up."""

    name: str
    title: str
    down: Callable[[Cases], Shift]
    up: Callable[[Cases], Shift]


def swings(cases: Cases, strategy: Strategy) -> tuple[Swing, ...]:
    """Return every figure that has an effect, the largest effect first."""
    found = [_swing(factor, cases, strategy) for factor in FACTORS]
    effective = [swing for swing in found if swing.at_low != swing.at_high]
    return tuple(sorted(effective, key=lambda swing: -abs(swing.at_high - swing.at_low)))


def difference(figures: Figures, strategy: Strategy) -> float:
    """Return the cost of a strategy less that of the API."""
    return total(items(figures, strategy)) - total(items(figures, "api"))


def _swing(factor: Factor, cases: Cases, strategy: Strategy) -> Swing:
    down, up = factor.down(cases), factor.up(cases)
    at_low, at_high = difference(down.figures, strategy), difference(up.figures, strategy)
    return Swing(
        name=factor.name,
        title=factor.title,
        low_label=down.label,
        high_label=up.label,
        at_low=at_low,
        at_high=at_high,
        flips=min(at_low, at_high) < 0 < max(at_low, at_high),
    )


def _api_price(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        api = figures.api
        moved = replace(
            api, in_price=api.in_price * by, cached_price=api.cached_price * by, out_price=api.out_price * by
        )
        return Shift(replace(figures, api=moved), f"{by - 1:+.0%}")

    return shift


def _machine_price(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        own = replace(figures.own, per_hour=figures.own.per_hour * by, price=figures.own.price * by)
        return Shift(replace(figures, own=own), f"{by - 1:+.0%}")

    return shift


def _demand(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        moved = replace(figures, tokens_in=figures.tokens_in * by, tokens_out=figures.tokens_out * by)
        return Shift(moved, f"{by - 1:+.0%}")

    return shift


def _growth(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        growth = figures.growth + by
        return Shift(replace(figures, growth=growth), f"{growth:+.0%} a month")

    return shift


def _peak(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        peak = max(1.0, figures.peak_factor * by)
        return Shift(replace(figures, peak_factor=peak), f"{peak:.1f} x the mean")

    return shift


def _cached(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        share = min(1.0, max(0.0, figures.cached_share + by))
        return Shift(replace(figures, cached_share=share), f"{share:.0%}")

    return shift


def _escalation(by: float) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        share = min(1.0, figures.escalation_share * by)
        return Shift(replace(figures, escalation_share=share), f"{share:.0%}")

    return shift


def _staff(by: float) -> Callable[[Cases], Shift]:
    """Move the people that own capacity takes; what the API takes stays."""

    def shift(cases: Cases) -> Shift:
        figures = cases["typical"]
        staff = {
            name: row if name == "api" else replace(row, share=row.share * by) for name, row in figures.staff.items()
        }
        return Shift(replace(figures, staff=staff), f"{by - 1:+.0%}")

    return shift


def _throughput(case: Case) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        rate = cases[case].own.tokens_per_s
        figures = cases["typical"]
        return Shift(replace(figures, own=replace(figures.own, tokens_per_s=rate)), f"{rate:,.0f} tokens/s")

    return shift


def _utilisation(case: Case) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        planned = cases[case].own.max_utilisation
        figures = cases["typical"]
        return Shift(replace(figures, own=replace(figures.own, max_utilisation=planned)), f"{planned:.0%}")

    return shift


def _electricity(case: Case) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        price = cases[case].electricity
        return Shift(replace(cases["typical"], electricity=price), f"{price:.2f} per kWh")

    return shift


def _residual(case: Case) -> Callable[[Cases], Shift]:
    def shift(cases: Cases) -> Shift:
        share = cases[case].residual_share
        return Shift(replace(cases["typical"], residual_share=share), f"{share:.0%}")

    return shift


# The `low` case holds the cheap end of every range: for what is better the more there is, that is the upper value.
FACTORS = (
    Factor("api-price", "API prices", _api_price(0.7), _api_price(1.3)),
    Factor("machine-price", "Price of GPUs, rented or bought", _machine_price(0.8), _machine_price(1.2)),
    Factor("demand", "Demand", _demand(0.5), _demand(1.5)),
    Factor("growth", "Growth", _growth(-0.05), _growth(0.05)),
    Factor("utilisation", "Planned utilisation in the busiest hour", _utilisation("high"), _utilisation("low")),
    Factor("throughput", "Throughput of a replica", _throughput("high"), _throughput("low")),
    Factor("peak", "Busiest hour over the mean", _peak(0.5), _peak(1.5)),
    Factor("cached", "Cached part of the prompts", _cached(-0.2), _cached(0.2)),
    Factor("staff", "Staff for own capacity", _staff(0.5), _staff(1.5)),
    Factor("power", "Electricity price", _electricity("low"), _electricity("high")),
    Factor("residual", "Residual value", _residual("high"), _residual("low")),
    Factor("escalation", "Answers asked again of the API", _escalation(0.5), _escalation(2.0)),
)
"""How far each figure is moved: a range of the catalogue where there is one, a stated step where there is none."""
