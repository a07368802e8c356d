"""What a host's GPUs must be before anything serves on it: decided here, looked at by the role `gpu_acceptance`."""

from __future__ import annotations

from typing import Literal

from planner.catalogue import Catalogue
from planner.plan import Plan, Record

MEMORY_TOLERANCE = 0.99
"""The driver keeps a little more or less for itself from one version to the next."""
DRIVER_SET = "r595"
"""The versions that hosts get; a row of `drivers.toml`."""


class Product(Record, frozen=True, kw_only=True):
    """A GPU that may be in the host, as `nvidia-smi` names it."""

    name: str
    memory_mib: int
    """Each has at least so much."""
    links: tuple[str, ...]
    """Words of `nvidia-smi topo -m` that may stand between any two."""
    nvswitch: bool


class Floor(Record, frozen=True, kw_only=True):
    """What an all-reduce over so many GPUs of a product reaches at least, in GB/s of bus bandwidth."""

    product: str
    gpus: int
    size: str
    bus_gb_s: float


class Fabric(Record, frozen=True, kw_only=True):
    """What joins nodes that share a replica."""

    kind: Literal["efa", "infiniband"]
    ports: int
    """At least so many are up."""


class Expected(Record, frozen=True, kw_only=True):
    """Everything that a host's GPUs are held against."""

    gpus: int
    """At least so many, all of them alike."""
    exactly: int | None = None
    """So many, where it is known what the machine has."""
    products: tuple[Product, ...]
    floors: tuple[Floor, ...] = ()
    driver: str
    """The version that the toolkit installs."""
    least_driver: str
    harmless_xids: tuple[int, ...] = ()
    fabric: Fabric | None = None


def expected_gpus(plan: Plan, catalogue: Catalogue, *, exactly: int | None = None) -> Expected | None:
    """Return what the GPUs of each of a plan's hosts are held against; None where no engine of the plan has one.

    Nodes of a replica that spans several have the same number each.

    Args:
        plan: what is to run.
        catalogue: what products are, and what they reach.
        exactly: GPUs of the machine, where an inventory says so; of AWS's the plan does.

    """
    engines = [service for service in plan.services if service.gpus and not _is_stand_in(service.artefact, catalogue)]
    if not engines:
        return None
    return expected_of(
        plan.engine.gpu,
        catalogue,
        gpus=sum(service.gpus for service in engines),
        exactly=plan.nodes[0].gpus if plan.target == "aws" else exactly,
        fabric=_fabric(plan),
    )


def expected_of(
    gpu: str, catalogue: Catalogue, *, gpus: int, exactly: int | None = None, fabric: Fabric | None = None
) -> Expected:
    """Return what so many GPUs of a kind are held against.

    Args:
        gpu: a row of `gpus.toml`, which several products may be.
        catalogue: what products are, and what they reach.
        gpus: at least so many.
        exactly: GPUs of the machine, where that is known.
        fabric: what joins it to others.

    """
    products = [row for row in catalogue.gpu_products if row.gpu == gpu]
    names = {row.product for row in products}
    drivers = catalogue.driver_sets[DRIVER_SET]
    return Expected(
        gpus=gpus,
        exactly=exactly,
        products=tuple(
            Product(
                name=row.product,
                memory_mib=int(row.memory_mib * MEMORY_TOLERANCE),
                links=row.links,
                nvswitch=row.nvswitch,
            )
            for row in products
        ),
        floors=tuple(
            Floor(product=row.product, gpus=row.gpus, size=row.size, bus_gb_s=row.bus_gb_s)
            for row in catalogue.all_reduce_floors
            if row.product in names
        ),
        driver=drivers.driver,
        least_driver=drivers.least_driver,
        harmless_xids=tuple(row.number for row in catalogue.harmless_xids),
        fabric=fabric,
    )


def _is_stand_in(artefact: str, catalogue: Catalogue) -> bool:
    """Tell whether a program only imitates an engine, and so needs no GPU whatever its record says."""
    return artefact in catalogue.artefacts and catalogue.artefacts[artefact].stand_in


def _fabric(plan: Plan) -> Fabric | None:
    """Return what must be up between the nodes of a replica; None for a replica on one node."""
    if not plan.engine.worker_args:
        return None
    if plan.target != "aws":
        return Fabric(kind="infiniband", ports=1)
    cards = max(sum(one.kind == "efa-only" for one in node.interfaces) for node in plan.nodes)
    return Fabric(kind="efa", ports=cards)
