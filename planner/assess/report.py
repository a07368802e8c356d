"""What an assessment comes to: everything that the terminal, JSON and the page show."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from planner.assess.break_even import Volume
from planner.assess.criteria import Scored
from planner.assess.figures import Strategy
from planner.assess.gates import Gate
from planner.assess.prices import Source
from planner.assess.sensitivity import Swing
from planner.assess.situation import Situation
from planner.ranges import Range

Advice = Literal["api-first", "hybrid", "self-host-first", "none"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the bill over all months."""

    name: str
    title: str
    low: float
    typical: float
    high: float
    monthly: tuple[float, ...]
    """Typical cost of each month."""


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's cost, with one way to have own capacity.

    Attributes:
        strategy: which.
        option: the way to have own capacity; empty for the API.
        allowed: no hard condition rules it out.
        lines: the items; in each case they add up to the total.
        total: cost of all months. `low` takes every uncertain figure at its cheap end at once, `high` at its dear end.
        cumulative_low: paid by the end of each month, in the low case.
        cumulative: likewise, typical.
        cumulative_high: likewise, in the high case.
        upfront: paid for machines in the first month, typical.
        hosts: hosts of each month, spare ones included, typical.
        utilisation: mean work as a part of what the hosts could do, typical; 0 for the API.
        per_million: cost of a million tokens, prompts and answers together.
        generated_expected: cost of machines per million generated tokens at that utilisation; None for the API.
        generated_full: likewise at full utilisation, which no service reaches.

    """

    strategy: Strategy
    option: str
    allowed: bool
    lines: tuple[Line, ...]
    total: Range
    cumulative_low: tuple[float, ...]
    cumulative: tuple[float, ...]
    cumulative_high: tuple[float, ...]
    upfront: float
    hosts: tuple[int, ...]
    utilisation: float
    per_million: Range
    generated_expected: Range | None
    generated_full: Range | None


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Where a strategy begins to cost less than the API.

    Attributes:
        strategy: which.
        option: its way to have own capacity.
        volume: tokens a month at which both cost the same.
        month: month from which all that was paid stays at or below the API's, with the demand as it is; None for
            never within the horizon.
        by_residual: that month is the last one, and only because machines are credited with what they are worth.

    """

    strategy: Strategy
    option: str
    volume: Volume
    month: int | None
    by_residual: bool


class VolumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Cost per month at a constant volume of tokens a month."""

    tokens: float
    cost: dict[Strategy, float]


class Tornado(msgspec.Struct, frozen=True, kw_only=True):
    """How single figures move a strategy's cost less the API's, over all months."""

    strategy: Strategy
    option: str
    base: float
    swings: tuple[Swing, ...]


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What may go wrong, and what to do about it."""

    title: str
    why: str
    answer: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something to measure before anything is bought."""

    week: int
    title: str
    how: str
    """A command of this toolkit, or a metric to read."""
    stop: str
    """When to stop, or to fall back on the API."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """The advice.

    Attributes:
        advice: in one word.
        option: the way to have own capacity that goes with it; empty for the API.
        because: the numbers behind it, a sentence each.
        scores: each strategy's weighted score, from 0 to 10, whether it is allowed or not.
        criteria: what counted.
        criteria_as_of: date of the shipped judgement.
        close: the runner-up is so near that one answer may turn the result.

    """

    advice: Advice
    option: str
    because: tuple[str, ...]
    scores: dict[Strategy, float]
    criteria: tuple[Scored, ...]
    criteria_as_of: dt.date
    close: bool


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result; amounts are in `currency`, months are counted from 1."""

    situation: Situation
    currency: str
    months: int
    tokens_first_month: float
    """Prompts and answers together, as users mean them."""
    tokens_last_month: float
    tokens_total: float
    recommendation: Recommendation
    chosen: dict[Strategy, str]
    """Strategy -> the way to have own capacity that stands for it: the cheapest that is allowed."""
    gates: tuple[Gate, ...]
    bills: tuple[Bill, ...]
    break_evens: tuple[BreakEven, ...]
    volumes: tuple[VolumePoint, ...]
    tornados: tuple[Tornado, ...]
    risks: tuple[Risk, ...]
    first_days: tuple[Step, ...]
    not_counted: tuple[str, ...]
    sources: tuple[Source, ...]

    def bill(self, strategy: Strategy) -> Bill:
        """Return the bill that stands for a strategy."""
        return next(bill for bill in self.bills if bill.strategy == strategy and bill.option == self.chosen[strategy])
