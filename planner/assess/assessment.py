"""From the answers to the advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from planner.assess.advice import recommend
from planner.assess.bills import bill, tokens_of
from planner.assess.break_even import break_even_month, break_even_volume, total_at
from planner.assess.figures import MONTHS, Case, Figures, Strategy, growth_factors
from planner.assess.first_days import first_days
from planner.assess.gates import Gate, hosted_gates, own_gates
from planner.assess.prices import Terms
from planner.assess.report import Assessment, Bill, BreakEven, Tornado, VolumePoint
from planner.assess.risks import NOT_COUNTED, risks
from planner.assess.sensitivity import difference, swings
from planner.assess.situation import Hardware, Situation
from planner.catalogue import Catalogue

OWN: tuple[Strategy, ...] = ("hybrid", "self-host")
POINTS = 120
"""Volumes at which the chart of cost against volume is drawn."""


def assess(situation: Situation, catalogue: Catalogue) -> Assessment:
    """Return the cost of the three strategies over 24 months, what follows from it, and how sure that is.

    Raises:
        UsageError: the catalogue lacks a row that the answers name.

    """
    terms = Terms(situation, catalogue)
    cases = {option.name: terms.figures(option) for option in situation.hardware}
    any_cases = next(iter(cases.values()))
    typical = any_cases["typical"]
    hosted = hosted_gates(situation, catalogue)
    out = {gate.strategy for gate in hosted if gate.status == "excluded"}
    gates = list(hosted)
    bills = [bill(any_cases, "api", "", allowed="api" not in out)]
    for option in situation.hardware:
        found, option_bills = _own(situation, option, catalogue, cases[option.name], hybrid_out="hybrid" in out)
        gates += found
        bills += option_bills
    chosen = {"api": "", **{strategy: _cheapest(bills, strategy).option for strategy in OWN}}
    headline = {strategy: _of(bills, strategy, option) for strategy, option in chosen.items()}
    break_evens = tuple(_break_even(one, cases[one.option]["typical"]) for one in bills if one.option)
    growth = growth_factors(typical)
    asked = typical.tokens_in + typical.tokens_out
    advice = recommend(situation, headline, break_evens)
    return Assessment(
        situation=situation,
        currency=situation.currency,
        months=MONTHS,
        tokens_first_month=asked,
        tokens_last_month=asked * growth[-1],
        tokens_total=tokens_of(typical),
        recommendation=advice,
        chosen=chosen,
        gates=tuple(gates),
        bills=tuple(bills),
        break_evens=break_evens,
        volumes=_volumes(cases, chosen, break_evens, asked),
        tornados=tuple(_tornado(strategy, chosen[strategy], cases[chosen[strategy]]) for strategy in OWN),
        risks=risks(situation, advice, headline, tuple(terms.sources.values())),
        first_days=first_days(situation, advice, headline),
        not_counted=NOT_COUNTED,
        sources=tuple(terms.sources.values()),
    )


def _own(
    situation: Situation,
    option: Hardware,
    catalogue: Catalogue,
    cases: Mapping[Case, Figures],
    *,
    hybrid_out: bool,
) -> tuple[list[Gate], list[Bill]]:
    """Return the conditions on a way to have own capacity, for both strategies that use it, and their bills."""
    gates: list[Gate] = []
    bills: list[Bill] = []
    for strategy in OWN:
        made = bill(cases, strategy, option.name, allowed=True)
        found = own_gates(situation, strategy, option, catalogue, made.upfront)
        out = any(gate.status == "excluded" for gate in found) or (strategy == "hybrid" and hybrid_out)
        gates += found
        bills.append(msgspec.structs.replace(made, allowed=not out))
    return gates, bills


def _cheapest(bills: Sequence[Bill], strategy: Strategy) -> Bill:
    """Return the cheapest bill of a strategy that is allowed, or the cheapest where none is."""
    return min((bill for bill in bills if bill.strategy == strategy), key=lambda b: (not b.allowed, b.total.typical))


def _of(bills: Sequence[Bill], strategy: Strategy, option: str) -> Bill:
    return next(bill for bill in bills if (bill.strategy, bill.option) == (strategy, option))


def _break_even(own: Bill, figures: Figures) -> BreakEven:
    month = break_even_month(figures, own.strategy)
    return BreakEven(
        strategy=own.strategy,
        option=own.option,
        volume=break_even_volume(figures, own.strategy),
        month=month,
        by_residual=month == MONTHS and own.cumulative[-1] < own.cumulative[-2],
    )


def _volumes(
    cases: Mapping[str, Mapping[Case, Figures]],
    chosen: Mapping[Strategy, str],
    break_evens: Sequence[BreakEven],
    asked: float,
) -> tuple[VolumePoint, ...]:
    """Return the cost per month of each strategy, at volumes from well below to well above what matters."""
    marks = [asked] + [
        found.volume.first for found in break_evens if found.volume.first and chosen[found.strategy] == found.option
    ]
    low, high = min(marks) / 10, max(marks) * 4
    ratio = (high / low) ** (1 / (POINTS - 1))
    typical = {
        strategy: cases[option]["typical"] if option else next(iter(cases.values()))["typical"]
        for strategy, option in chosen.items()
    }
    return tuple(
        VolumePoint(
            tokens=tokens,
            cost={strategy: total_at(figures, strategy, tokens) / MONTHS for strategy, figures in typical.items()},
        )
        for tokens in (low * ratio**step for step in range(POINTS))
    )


def _tornado(strategy: Strategy, option: str, cases: Mapping[Case, Figures]) -> Tornado:
    return Tornado(
        strategy=strategy,
        option=option,
        base=difference(cases["typical"], strategy),
        swings=swings(cases, strategy),
    )
