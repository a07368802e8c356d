"""A strategy's bill, from the figures of the three cases."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from planner.assess.capacity import hosts, utilisation
from planner.assess.figures import CASES, MONTHS, Case, Figures, Strategy, growth_factors
from planner.assess.report import Bill, Line
from planner.assess.tco import TITLES, Item, items, monthly_cash, total
from planner.assess.unit_cost import cost_per_million
from planner.ranges import Range

MACHINE_ITEMS = {"hosts", "spare", "capital", "repairs", "power", "colocation"}


def bill(cases: Mapping[Case, Figures], strategy: Strategy, option: str, *, allowed: bool) -> Bill:
    """Return a strategy's bill.

    Args:
        cases: the figures of the low, the typical and the high case.
        strategy: which.
        option: name of the way to have own capacity; empty for the API.
        allowed: whether it passes every hard condition.

    """
    lines = {case: items(cases[case], strategy) for case in CASES}
    typical = cases["typical"]
    whole = {case: total(lines[case]) for case in CASES}
    paid = {case: tuple(accumulate(monthly_cash(lines[case]))) for case in CASES}
    tokens = tokens_of(typical)
    mean = sum(utilisation(typical, strategy)) / MONTHS
    machines = sum(sum(line.cost) for line in lines["typical"] if line.name in MACHINE_ITEMS)
    return Bill(
        strategy=strategy,
        option=option,
        allowed=allowed,
        lines=tuple(_line(name, lines) for name in TITLES if any(_has(lines[case], name) for case in CASES)),
        total=_range(whole),
        cumulative_low=paid["low"],
        cumulative=paid["typical"],
        cumulative_high=paid["high"],
        upfront=upfront(lines["typical"]),
        hosts=tuple(month.total for month in hosts(typical, strategy)),
        utilisation=mean,
        per_million=_range({case: amount / tokens * 1e6 for case, amount in whole.items()}),
        generated_expected=_generated(cases, strategy, machines, mean) if mean else None,
        generated_full=_generated(cases, strategy, machines, 1.0) if mean else None,
    )


def tokens_of(figures: Figures) -> float:
    """Return the tokens of all months, prompts and answers, without retries and tool calls."""
    return (figures.tokens_in + figures.tokens_out) * sum(growth_factors(figures))


def upfront(lines: tuple[Item, ...]) -> float:
    """Return what is paid for machines in the first month."""
    return sum(line.cash[0] for line in lines if line.name in {"hosts", "spare"})


def _generated(cases: Mapping[Case, Figures], strategy: Strategy, machines: float, part: float) -> Range:
    """Return the cost of machines per million generated tokens; the range is that of the throughput."""
    typical = cases["typical"]
    host_hours = sum(month.total for month in hosts(typical, strategy)) * typical.own.hours_per_month
    replicas = typical.own.replicas_per_host
    rates = {case: cases[case].own.tokens_per_s * replicas for case in CASES}
    # The cheap case has the most tokens per second: the ends change places.
    per_host = Range(low=rates["high"], typical=rates["typical"], high=rates["low"])
    return cost_per_million(machines / host_hours, per_host, part)


def _line(name: str, lines: Mapping[Case, tuple[Item, ...]]) -> Line:
    by_case = {case: next((line for line in lines[case] if line.name == name), None) for case in CASES}
    sums = {case: sum(line.cost) if line else 0.0 for case, line in by_case.items()}
    typical = by_case["typical"]
    return Line(
        name=name,
        title=TITLES[name],
        low=sums["low"],
        typical=sums["typical"],
        high=sums["high"],
        monthly=typical.cost if typical else (0.0,) * MONTHS,
    )


def _has(lines: tuple[Item, ...], name: str) -> bool:
    return any(line.name == name for line in lines)


def _range(by_case: Mapping[Case, float]) -> Range:
    return Range(low=by_case["low"], typical=by_case["typical"], high=by_case["high"])
