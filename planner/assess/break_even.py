"""Where own capacity begins to cost less than the API: at which volume, and in which month."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from planner.assess.capacity import fewest_hosts, largest_demand
from planner.assess.figures import Figures, Strategy
from planner.assess.tco import items, monthly_cash, total

MAX_HOSTS = 64
"""Up to here a break-even is looked for: larger fleets are no question of one model's endpoint."""


TIE = 1e-9
"""Costs that differ by a smaller part are the same, and binary fractions make the difference."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens a month, prompts and answers together, held constant for all months.

    Attributes:
        first: the smallest at which both cost the same; None where there is none.
        stays_from: from here on, own capacity is never dearer; later than `first` where one more host has to be paid
            before it is filled. None where that never holds.
        searched_to: the largest that was looked at.

    """

    first: float | None
    stays_from: float | None
    searched_to: float


def at_volume(figures: Figures, tokens: float) -> Figures:
    """Return the figures with a constant demand of so many tokens a month, in the same mix of prompts and answers."""
    scale = tokens / (figures.tokens_in + figures.tokens_out)
    return msgspec.structs.replace(
        figures, tokens_in=figures.tokens_in * scale, tokens_out=figures.tokens_out * scale, growth=0.0
    )


def total_at(figures: Figures, strategy: Strategy, tokens: float) -> float:
    """Return the cost of all months at a constant volume."""
    return total(items(at_volume(figures, tokens), strategy))


def break_even_volume(figures: Figures, strategy: Strategy) -> Volume:
    """Return where a strategy costs the same as the API.

    For a given number of hosts both costs are straight lines in the volume, so the crossing is exact. Where a host more
    is needed, the own cost jumps up: the cost difference can only cross zero from above between two jumps.
    """
    mix = (figures.tokens_in + figures.tokens_out) / figures.tokens_out
    crossings: list[float] = []
    cheaper, reached = False, 0.0
    for count in range(fewest_hosts(figures), MAX_HOSTS + 1):
        start, reached = reached, largest_demand(figures, strategy, count) * mix
        at_start, at_end = _line(figures, strategy, start, reached)
        dearer = at_start > TIE * total_at(figures, "api", reached)
        if at_end <= 0 and dearer:
            crossings.append(start + (reached - start) * at_start / (at_start - at_end))
        elif at_end <= 0 and not cheaper:
            crossings.append(start)
        cheaper = at_end <= 0
    return Volume(
        first=crossings[0] if crossings else None,
        stays_from=crossings[-1] if crossings and cheaper else None,
        searched_to=reached,
    )


def _line(figures: Figures, strategy: Strategy, start: float, end: float) -> tuple[float, float]:
    """Return own cost less API cost just above `start` and at `end`, between which it is a straight line."""
    middle = (start + end) / 2
    at_middle, at_end = (
        total_at(figures, strategy, tokens) - total_at(figures, "api", tokens) for tokens in (middle, end)
    )
    return 2 * at_middle - at_end, at_end


def break_even_month(figures: Figures, strategy: Strategy) -> int | None:
    """Return the month (from 1) from which all that was paid stays at or below what the API would have been paid.

    None where that is not so by the last month.
    """
    return month_from_which(monthly_cash(items(figures, strategy)), monthly_cash(items(figures, "api")))


def month_from_which(own: Sequence[float], other: Sequence[float]) -> int | None:
    """Return the first month (from 1) from which the running sum of `own` never again exceeds that of `other`."""
    above = [a > b for a, b in zip(accumulate(own), accumulate(other), strict=True)]
    last_above = max((month for month, is_above in enumerate(above, start=1) if is_above), default=0)
    return last_above + 1 if last_above < len(above) else None
