"""What hosts are held against, by plan; and that the data about products is whole."""

from __future__ import annotations

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.acceptance import DRIVER_SET, Expected, Fabric, expected_gpus
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import EnginePlan, InterfacePlan, Plan, Target

CATALOGUE = load_catalogue()


def planned(profile: str, target: Target = "aws") -> Plan:
    return make_plan(load_profile(profile), CATALOGUE, Site(stack="s", target=target))


@pytest.mark.parametrize(("profile", "needed"), [("1xh200", 1), ("2xh200", 2), ("8xh200", 8)])
def test_a_machine_of_a_cloud_has_all_its_gpus(profile: str, needed: int) -> None:
    expected = expected_gpus(planned(profile), CATALOGUE)
    assert expected is not None
    assert (expected.gpus, expected.exactly) == (needed, 8)
    assert {product.name for product in expected.products} == {"NVIDIA H200", "NVIDIA H200 NVL"}
    assert [(floor.gpus, floor.bus_gb_s) for floor in expected.floors] == [(8, 431)]
    assert expected.driver == CATALOGUE.driver_sets[DRIVER_SET].driver
    assert expected.fabric is None
    assert msgspec.convert(msgspec.to_builtins(expected), Expected) == expected


def test_engines_that_are_imitated_need_no_gpu() -> None:
    assert expected_gpus(planned("8xh200", "sandbox"), CATALOGUE) is None


def test_a_replica_over_nodes_needs_its_fabric() -> None:
    plan = planned("8xh200")
    engine: EnginePlan = msgspec.structs.replace(plan.engine, worker_args=((),), gpus=16)
    card = InterfacePlan(device_index=1, network_card_index=0, kind="efa-only")
    nodes = tuple(msgspec.structs.replace(node, interfaces=(*node.interfaces, card, card)) for node in plan.nodes)
    spanning = msgspec.structs.replace(plan, engine=engine, nodes=nodes)
    expected = expected_gpus(spanning, CATALOGUE)
    assert expected is not None
    assert (expected.gpus, expected.fabric) == (8, Fabric(kind="efa", ports=2))


def test_every_product_is_a_gpu_and_every_floor_a_product() -> None:
    names = [row.product for row in CATALOGUE.gpu_products]
    assert len(names) == len(set(names))
    for row in CATALOGUE.gpu_products:
        assert row.gpu in CATALOGUE.gpus
        # What the tool reports of the card is what the engine sees of it, give or take what the driver keeps.
        assert row.memory_mib / 1024 == pytest.approx(CATALOGUE.gpus[row.gpu].memory_gib, rel=0.04)
    assert {row.product for row in CATALOGUE.all_reduce_floors} <= set(names)
    numbers = [row.number for row in CATALOGUE.harmless_xids]
    assert len(numbers) == len(set(numbers))
    assert not {48, 63, 64, 74, 79, 94, 95, 119, 120} & set(numbers)
