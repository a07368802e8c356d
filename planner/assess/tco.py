"""24 months of cost, item by item: the sum of the items is the total, in cost and in cash alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from planner.assess.capacity import BLOCK_MONTHS, Hosts, hosts
from planner.assess.figures import (
    HOURS_PER_MONTH,
    MONTHS,
    WORKDAYS_PER_YEAR,
    Figures,
    Strategy,
    growth_factors,
    hosted_share,
)

Months = tuple[float, ...]

TITLES = {
    "api-prompts": "API: prompt tokens",
    "api-cached": "API: cached prompt tokens",
    "api-generated": "API: generated tokens",
    "api-overhead": "API: retries and tool calls",
    "api-batch": "API: discount for what can wait",
    "hosts": "Hosts in use: rent or loss of value",
    "spare": "Spare hosts: rent or loss of value",
    "capital": "Cost of capital",
    "repairs": "Repairs and support of machines",
    "power": "Power, with cooling",
    "colocation": "Colocation",
    "platform": "Storage, logs, network, backups",
    "staff": "Staff share",
    "setup": "Set-up, once",
    "refresh": "Model refresh",
}
"""Item -> what people call it; in the order of reports."""


class Item(NamedTuple):
    """One line of the bill.

    Attributes:
        name: a key of `TITLES`.
        cost: of each month, as it is used up.
        cash: of each month, as it is paid; what machines are still worth comes back in the last month.

    """

    name: str
    cost: Months
    cash: Months


def items(figures: Figures, strategy: Strategy) -> tuple[Item, ...]:
    """Return the lines of a strategy; those that are nothing are left out."""
    lines = [*_hosted(figures, strategy), *_people(figures, strategy)]
    if strategy != "api":
        lines += _own(figures, hosts(figures, strategy))
    by_name = {line.name: line for line in lines if any(line.cost) or any(line.cash)}
    return tuple(by_name[name] for name in TITLES if name in by_name)


def total(lines: Sequence[Item]) -> float:
    """Return the cost of all months."""
    return sum(sum(line.cost) for line in lines)


def monthly_cost(lines: Sequence[Item]) -> Months:
    """Return each month's cost."""
    return tuple(sum(line.cost[month] for line in lines) for month in range(MONTHS))


def monthly_cash(lines: Sequence[Item]) -> Months:
    """Return what is paid in each month."""
    return tuple(sum(line.cash[month] for line in lines) for month in range(MONTHS))


def _even(name: str, cost: Sequence[float]) -> Item:
    """Return a line that is paid as it is used up."""
    return Item(name, tuple(cost), tuple(cost))


def _hosted(figures: Figures, strategy: Strategy) -> list[Item]:
    """Return what the API is paid; per million tokens."""
    share, api = hosted_share(figures, strategy), figures.api
    millions_in, millions_out = figures.tokens_in * share / 1e6, figures.tokens_out * share / 1e6
    prompts = millions_in * (1 - figures.cached_share) * api.in_price
    cached = millions_in * figures.cached_share * api.cached_price
    generated = millions_out * api.out_price
    asked = prompts + cached + generated
    first = {
        "api-prompts": prompts,
        "api-cached": cached,
        "api-generated": generated,
        "api-overhead": asked * (figures.overhead - 1),
        "api-batch": -asked * figures.overhead * figures.batch_share * api.batch_discount,
    }
    factors = growth_factors(figures)
    return [_even(name, [amount * factor for factor in factors]) for name, amount in first.items()]


def _people(figures: Figures, strategy: Strategy) -> list[Item]:
    staff, day = figures.staff[strategy], figures.staff_year / WORKDAYS_PER_YEAR
    refresh = day * staff.refresh_days / figures.refresh_months
    return [
        _even("staff", [figures.staff_year / 12 * staff.share] * MONTHS),
        _even("setup", [day * staff.setup_days] + [0.0] * (MONTHS - 1)),
        _even("refresh", [refresh] * MONTHS),
    ]


def _own(figures: Figures, months: Sequence[Hosts]) -> list[Item]:
    """Return what own capacity costs; spare hosts are their part of each month's machines."""
    counts = [month.total for month in months]
    machines = (_bought if figures.own.capacity == "bought" else _rented)(figures, counts)
    used = [month.needed / month.total for month in months]
    spare = [1 - part for part in used]
    return [
        Item("hosts", _times(machines.cost, used), _times(machines.cash, used)),
        Item("spare", _times(machines.cost, spare), _times(machines.cash, spare)),
        _even("platform", [figures.platform] * MONTHS),
        *(_keep(figures, counts) if figures.own.capacity == "bought" else []),
    ]


def _rented(figures: Figures, counts: Sequence[int]) -> Item:
    """Return the rent: a Capacity Block is paid as a whole when it begins."""
    own = figures.own
    cost = tuple(count * own.per_hour * own.hours_per_month for count in counts)
    if own.capacity != "capacity-block":
        return _even("hosts", cost)
    ahead = [sum(cost[month : month + BLOCK_MONTHS]) if month % BLOCK_MONTHS == 0 else 0.0 for month in range(MONTHS)]
    return Item("hosts", cost, tuple(ahead))


def _bought(figures: Figures, counts: Sequence[int]) -> Item:
    """Return the loss of value, and in cash the purchases less what the machines are worth at the end."""
    price = figures.own.price
    cost = _over_ages(counts, lambda age: _worth(figures, age) - _worth(figures, age + 1))
    cash = [price * new for new in _purchases(counts)]
    cash[-1] -= sum(new * _worth(figures, MONTHS - month) for month, new in enumerate(_purchases(counts)))
    return Item("hosts", cost, tuple(cash))


def _keep(figures: Figures, counts: Sequence[int]) -> list[Item]:
    """Return what bought machines cost beside their price."""
    power = figures.own.power_kw * figures.draw * figures.pue * HOURS_PER_MONTH * figures.electricity
    per_host = {
        "repairs": figures.own.price * figures.repair_rate / 12,
        "power": power,
        "colocation": figures.own.power_kw * figures.colocation,
    }
    capital = _over_ages(counts, lambda age: _worth(figures, age) * figures.capital_rate / 12)
    return [
        _even("capital", capital),
        *(_even(name, [amount * count for count in counts]) for name, amount in per_host.items()),
    ]


def _worth(figures: Figures, age: float) -> float:
    """Return what a machine is worth at an age in months: straight down to its residual value, and no lower."""
    lost = (1 - figures.residual_share) * min(age / figures.life_months, 1.0)
    return figures.own.price * (1 - lost)


def _purchases(counts: Sequence[int]) -> list[int]:
    """Return the machines bought in each month; none is ever sold before the end."""
    return [now - before for before, now in zip([0, *counts], counts, strict=False)]


def _over_ages(counts: Sequence[int], of_age: Callable[[int], float]) -> Months:
    """Return each month's sum over all machines of an amount that follows from their age in months."""
    bought = _purchases(counts)
    by_age = [of_age(age) for age in range(MONTHS)]
    return tuple(sum(bought[born] * by_age[month - born] for born in range(month + 1)) for month in range(MONTHS))


def _times(amounts: Sequence[float], parts: Sequence[float]) -> Months:
    return tuple(amount * part for amount, part in zip(amounts, parts, strict=True))
