"""Who rents so many GPUs, and for how much: machines are billed whole, however many of their GPUs are wanted."""

from __future__ import annotations

import datetime as dt

import msgspec

from planner.catalogue import Catalogue, Host
from planner.catalogue.rows import HostPrice
from planner.division import machines_for, nodes_of
from planner.money import convert

COMPARED_IN = "USD"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Machines that hold the GPUs, for an hour.

    Attributes:
        machines: how many are rented.
        gpus: of all machines together.
        replicas: how often the wanted number of GPUs fits on them.
        per_hour: of all machines together.
        regions: where that price holds; empty where the source names none.

    """

    host: str
    provider: str
    machines: int
    gpus: int
    replicas: int
    capacity: str
    regions: tuple[str, ...]
    per_hour: float
    currency: str
    source: str
    as_of: dt.date
    verified: bool


def offers(catalogue: Catalogue, gpu: str, count: int) -> tuple[Offer, ...]:
    """Return every priced way to rent `count` GPUs: what can be had on demand first, then the cheapest.

    Raises:
        PlanError: two prices are in currencies that no rate joins.

    """
    found = [
        _offer(host, price, count)
        for price in catalogue.host_prices
        if (host := catalogue.hosts.get(price.host)) and host.gpu == gpu and nodes_of(count, host.gpus)
    ]

    def rank(offer: Offer) -> tuple[bool, float]:
        return offer.capacity != "on-demand", convert(offer.per_hour, offer.currency, COMPARED_IN, catalogue.rates)

    return tuple(sorted(found, key=rank))


def _offer(host: Host, price: HostPrice, count: int) -> Offer:
    machines = machines_for(1, count, host.gpus)
    return Offer(
        host=host.name,
        provider=host.provider,
        machines=machines,
        gpus=machines * host.gpus,
        replicas=machines * host.gpus // count,
        capacity=price.capacity,
        regions=price.regions,
        per_hour=price.per_hour * machines,
        currency=price.currency,
        source=price.source,
        as_of=price.as_of,
        verified=price.sure("per_hour"),
    )
