"""What a thing that is left costs by the month."""

from __future__ import annotations

from lifecycle.sweeping.records import Thing
from planner.assess.figures import HOURS_PER_MONTH
from planner.catalogue import Catalogue


def usd_per_month(thing: Thing, region: str, catalogue: Catalogue) -> float | None:
    """Return what it costs while it exists, used or not; 0 for what is free, None where no row of the catalogue fits.

    Hours are counted at `HOURS_PER_MONTH` each month.
    """
    parts = [_part(row, count, region, catalogue) for row, count in thing.costs]
    known = [part for part in parts if part is not None]
    return round(sum(known), 2) if len(known) == len(parts) else None


def _part(row: str, count: float, region: str, catalogue: Catalogue) -> float | None:
    if row.startswith("host:"):
        _, host, capacity = row.split(":")
        return _host(host, capacity, count, region, catalogue)
    price = catalogue.resource_prices.get(row)
    if price is None:
        return None
    return count * price.usd * (HOURS_PER_MONTH if price.per == "hour" else 1)


def _host(host: str, capacity: str, count: float, region: str, catalogue: Catalogue) -> float | None:
    """Price instances; in a Capacity Block they were paid for with the block."""
    if capacity == "capacity-block" or not count:
        return 0.0
    for price in catalogue.host_prices:
        there = not price.regions or region in price.regions
        if (price.host, price.capacity, price.currency) == (host, capacity, "USD") and there:
            return count * price.per_hour * HOURS_PER_MONTH
    return None
