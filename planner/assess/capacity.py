"""How many hosts a demand takes, month by month."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from planner.assess.figures import HOURS_PER_MONTH, MONTHS, Figures, Strategy, growth_factors, local_share

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
BLOCK_MONTHS = 6
"""A Capacity Block lasts 182 days at most (AWS EC2 user guide, capacity-blocks-how): about six months."""

ROUNDING = 1e-9
"""What binary fractions may add before a replica more is counted."""


class Hosts(NamedTuple):
    """Hosts of a month.

    Attributes:
        needed: those that the busiest hour takes.
        total: with spare capacity.

    """

    needed: int
    total: int


def surge(figures: Figures) -> float:
    """Return capacity over mean demand: the busiest hour of what cannot wait, or all of it within the paid hours."""
    busiest = (1 - figures.batch_share) * figures.peak_factor
    return max(busiest, HOURS_PER_MONTH / figures.own.hours_per_month)


def hosts(figures: Figures, strategy: Strategy) -> tuple[Hosts, ...]:
    """Return the hosts of each month: bought and reserved ones stay, a Capacity Block holds its busiest month."""
    if strategy == "api":
        return (Hosts(0, 0),) * MONTHS
    per_month = [_hosts_for(figures, strategy, factor) for factor in growth_factors(figures)]
    kind = figures.own.capacity
    if kind == "on-demand":
        return tuple(per_month)
    if kind == "capacity-block":
        blocks = [per_month[month - month % BLOCK_MONTHS :][:BLOCK_MONTHS] for month in range(MONTHS)]
        return tuple(_most(block) for block in blocks)
    return tuple(_most(per_month[: month + 1]) for month in range(MONTHS))


def _most(months: list[Hosts]) -> Hosts:
    return Hosts(max(month.needed for month in months), max(month.total for month in months))


def _hosts_for(figures: Figures, strategy: Strategy, factor: float) -> Hosts:
    own = figures.own
    mean = figures.tokens_out * factor * figures.overhead * local_share(figures, strategy) / SECONDS_PER_MONTH
    replicas = max(1, ceil(mean * surge(figures) / (own.tokens_per_s * own.max_utilisation) - ROUNDING))
    per_host = own.replicas_per_host
    return Hosts(ceil(replicas / per_host), ceil((replicas + own.spare_replicas) / per_host))


def fewest_hosts(figures: Figures) -> int:
    """Return the hosts that the smallest demand takes, with spare capacity."""
    own = figures.own
    return ceil((1 + own.spare_replicas) / own.replicas_per_host)


def largest_demand(figures: Figures, strategy: Strategy, count: int) -> float:
    """Return the generated tokens a month that so many hosts carry, spare capacity kept free."""
    own = figures.own
    replicas = max(1, count * own.replicas_per_host - own.spare_replicas)
    mean = replicas * own.tokens_per_s * own.max_utilisation / surge(figures)
    return mean * SECONDS_PER_MONTH / (figures.overhead * local_share(figures, strategy))


def utilisation(figures: Figures, strategy: Strategy) -> tuple[float, ...]:
    """Return each month's work as a part of what its hosts could do, spare ones included; 0 where there are none."""
    own = figures.own
    found = []
    for factor, month in zip(growth_factors(figures), hosts(figures, strategy), strict=True):
        work = figures.tokens_out * factor * figures.overhead * local_share(figures, strategy)
        could = month.total * own.replicas_per_host * own.tokens_per_s * own.hours_per_month * 3600
        found.append(work / could if could else 0.0)
    return tuple(found)
