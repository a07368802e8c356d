"""Money in another currency, by dated rate rows."""

from __future__ import annotations

from collections.abc import Iterable

from planner.catalogue.rows import Rate
from planner.errors import PlanError


def convert(amount: float, currency: str, to: str, rates: Iterable[Rate]) -> float:
    """Return an amount in another currency.

    A rate serves in both directions; where none joins the two currencies, two rates by way of a third one do. Of
    several rows for a pair the first counts.

    Args:
        amount: in `currency`.
        currency: ISO 4217.
        to: ISO 4217.
        rates: the rows, each with its date.

    Raises:
        PlanError: the rows do not join the two.

    """
    if currency == to:
        return amount
    factors = _both_ways(rates)
    for middle in (currency, *(quote for base, quote in factors if base == currency)):
        first = 1.0 if middle == currency else factors[currency, middle]
        if (middle, to) in factors:
            return amount * first * factors[middle, to]
    raise PlanError(
        f"the catalogue has no rate between {currency} and {to}",
        hint="Give one in a file for --prices: [[rate]] with base, quote, per_unit and as_of.",
        code="no_rate",
    )


def _both_ways(rates: Iterable[Rate]) -> dict[tuple[str, str], float]:
    """Return what one unit of the first currency is worth in the second."""
    factors: dict[tuple[str, str], float] = {}
    for rate in rates:
        factors.setdefault((rate.base, rate.quote), rate.per_unit)
        factors.setdefault((rate.quote, rate.base), 1 / rate.per_unit)
    return factors
