"""Renting GPUs: machines are billed whole."""

from __future__ import annotations

import pytest

from planner.offers import offers
from tests.lifecycle.bench import catalogue, price


def test_a_machine_with_more_gpus_is_billed_whole_and_filled() -> None:
    (offer,) = offers(catalogue(price("node", 64)), "big", 2)
    assert (offer.machines, offer.gpus, offer.replicas, offer.per_hour) == (1, 8, 4, 64)


def test_several_full_nodes_carry_a_larger_replica() -> None:
    (offer,) = offers(catalogue(price("node", 64)), "big", 16)
    assert (offer.machines, offer.gpus, offer.replicas, offer.per_hour) == (2, 16, 1, 128)


@pytest.mark.parametrize("count", [3, 4, 12])
def test_no_replica_spans_small_machines_or_parts_of_nodes(count: int) -> None:
    hosts = {offer.host for offer in offers(catalogue(price("pair", 7), price("node", 64)), "big", count)}
    assert "pair" not in hosts
    assert ("node" in hosts) == (count <= 8)


def test_what_can_be_had_on_demand_comes_first_then_the_cheapest() -> None:
    rows = (price("node", 30, "capacity-block"), price("node", 64), price("pair", 7), price("pair", 3, "spot"))
    found = [(offer.host, offer.capacity) for offer in offers(catalogue(*rows), "big", 2)]
    assert found == [("pair", "on-demand"), ("node", "on-demand"), ("pair", "spot"), ("node", "capacity-block")]


def test_currencies_are_converted_before_they_are_compared() -> None:
    rows = (price("pair", 7.0, currency="EUR"), price("node", 7.5))  # 7 EUR are 7.70 USD
    first = offers(catalogue(*rows), "big", 2)[0]
    assert (first.host, first.currency) == ("node", "USD")


def test_other_gpus_are_no_offer() -> None:
    assert offers(catalogue(price("node", 64)), "small", 1) == ()
