"""Money in another currency, by a dated rate row."""

from __future__ import annotations

from collections.abc import Iterable

from planner.catalogue.rows import Rate
from planner.errors import PlanError


def convert(amount: float, currency: str, to: str, rates: Iterable[Rate]) -> float:
    """Return an amount in another currency; a rate serves in both directions.

    Raises:
        PlanError: no row joins the two.

    """
    if currency == to:
        return amount
    for rate in rates:
        if (rate.base, rate.quote) == (currency, to):
            return amount * rate.per_unit
        if (rate.quote, rate.base) == (currency, to):
            return amount / rate.per_unit
    raise PlanError(
        f"the catalogue has no rate between {currency} and {to}", hint="Add a `[[rate]]` row.", code="no_rate"
    )
