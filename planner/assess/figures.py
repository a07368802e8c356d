"""The numbers that costs are computed from: one case (low, typical or high), one way to have capacity, one currency."""

from __future__ import annotations

from typing import Literal

import msgspec

from planner.assess.situation import Capacity, Demand

Case = Literal["low", "typical", "high"]
"""`low` takes every uncertain figure where it makes things cheap, `high` where it makes them dear."""

CASES: tuple[Case, ...] = ("low", "typical", "high")
Strategy = Literal["api", "hybrid", "self-host"]
MONTHS = 24
HOURS_PER_MONTH = 730.0
"""8760 hours of a year over 12."""
WORKDAYS_PER_YEAR = 220.0
"""What turns a year's staff cost into a day's."""


class StaffFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy takes of people.

    Attributes:
        share: full-time equivalents, month after month.
        setup_days: working days, once.
        refresh_days: working days at each change of model.

    """

    share: float
    setup_days: float
    refresh_days: float


class CapacityFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Own capacity.

    Attributes:
        capacity: how it is had.
        per_hour: rent of a host, per hour; 0 for bought ones.
        price: of a bought host; 0 for rented ones.
        hours_per_month: hours for which rented hosts are kept.
        replicas_per_host: copies of the model on a host.
        spare_replicas: copies beyond the need.
        tokens_per_s: generated tokens per second of a replica at its best.
        max_utilisation: part of that which is planned for in the busiest hour.
        power_kw: most that a bought host draws.

    """

    capacity: Capacity
    per_hour: float
    price: float
    hours_per_month: float
    replicas_per_host: int
    spare_replicas: int
    tokens_per_s: float
    max_utilisation: float
    power_kw: float


class ApiFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Hosted models, averaged over those in use, per million tokens."""

    in_price: float
    cached_price: float
    out_price: float
    batch_discount: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the cost of the three strategies follows from.

    Attributes:
        tokens_in: prompt tokens of the first month, without retries and tool calls.
        tokens_out: generated tokens of the first month, likewise.
        growth: compounding part per month.
        peak_factor: busiest hour over the mean hour.
        batch_share: part that may wait.
        cached_share: part of the prompt tokens that repeat.
        overhead: tokens handled per token asked for: retries and tool calls.
        local_share: part that a hybrid tries on own capacity.
        escalation_share: part of that which the API answers again.
        api: hosted models.
        own: own capacity.
        electricity: per kWh.
        pue: power at the meter over power of the machines.
        draw: mean power over the most that a machine draws.
        colocation: per kW and month.
        capital_rate: cost of capital, a part per year of what machines are still worth.
        life_months: months over which a machine loses its value.
        residual_share: part of the price that is left then.
        repair_rate: repairs and support, a part of the price per year.
        platform: storage, logs, network and backups of own capacity, per month.
        staff_year: a full-time equivalent for a year, with everything.
        staff: what each strategy takes.
        refresh_months: months from one change of model to the next.

    """

    tokens_in: float
    tokens_out: float
    growth: float
    peak_factor: float
    batch_share: float
    cached_share: float
    overhead: float
    local_share: float
    escalation_share: float
    api: ApiFigures
    own: CapacityFigures
    electricity: float
    pue: float
    draw: float
    colocation: float
    capital_rate: float
    life_months: float
    residual_share: float
    repair_rate: float
    platform: float
    staff_year: float
    staff: dict[Strategy, StaffFigures]
    refresh_months: float


def first_month(demand: Demand) -> tuple[float, float]:
    """Return prompt and generated tokens of the first month, without retries and tool calls."""
    if demand.users is not None:
        user_days = demand.users * demand.workdays_per_month
        return user_days * (demand.tokens_in_per_day or 0), user_days * (demand.tokens_out_per_day or 0)
    return demand.tokens_in_per_month or 0, demand.tokens_out_per_month or 0


def growth_factors(figures: Figures) -> tuple[float, ...]:
    """Return each month's demand over the first month's."""
    return tuple((1 + figures.growth) ** month for month in range(MONTHS))


def local_share(figures: Figures, strategy: Strategy) -> float:
    """Return the part of all tokens that own capacity works on."""
    return {"api": 0.0, "hybrid": figures.local_share, "self-host": 1.0}[strategy]


def hosted_share(figures: Figures, strategy: Strategy) -> float:
    """Return the part of all tokens that the API is paid for: what stays with it, and what is asked again."""
    local = local_share(figures, strategy)
    escalated = local * figures.escalation_share if strategy == "hybrid" else 0.0
    return 1 - local + escalated
