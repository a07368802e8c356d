"""Facts of the world as data: each row says where it comes from and when it was read."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from planner.catalogue.rows import (
    ApiPrice,
    ArchitectureNeeds,
    Artefact,
    ArtefactSource,
    Assumption,
    Engine,
    Gpu,
    Host,
    HostPrice,
    Licence,
    Model,
    Provider,
    PurchasePrice,
    Rate,
    Release,
    ResourcePrice,
    RuntimeNeed,
)
from planner.errors import PlanError

__all__ = ["Artefact", "ArtefactSource", "Catalogue", "Engine", "Gpu", "Host", "Model", "load_catalogue"]

FOLDER = Path(__file__).parent


Named = TypeVar(
    "Named",
    Model,
    Gpu,
    Host,
    Provider,
    Licence,
    Engine,
    Artefact,
    ApiPrice,
    Assumption,
    ResourcePrice,
    Release,
    RuntimeNeed,
    ArchitectureNeeds,
)
AnyRow = TypeVar("AnyRow", bound=msgspec.Struct)


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, by name where they have one."""

    models: dict[str, Model]
    licences: dict[str, Licence]
    gpus: dict[str, Gpu]
    hosts: dict[str, Host]
    providers: dict[str, Provider]
    engines: dict[str, Engine]
    artefacts: dict[str, Artefact]
    host_prices: tuple[HostPrice, ...]
    purchases: tuple[PurchasePrice, ...]
    resource_prices: dict[str, ResourcePrice] = {}
    apis: dict[str, ApiPrice]
    assumptions: dict[str, Assumption]
    rates: tuple[Rate, ...]
    releases: dict[str, Release] = {}
    needs: dict[str, RuntimeNeed] = {}
    """What engines fetch while they run."""
    architectures: dict[str, ArchitectureNeeds] = {}

    def model(self, name: str) -> Model:
        """Return a model.

        Raises:
            PlanError: there is none of that name.

        """
        return _named(self.models, name, "model", "model.name")

    def gpu(self, name: str) -> Gpu:
        """Return a GPU.

        Raises:
            PlanError: there is none of that name.

        """
        return _named(self.gpus, name, "GPU", "hardware.gpu")

    def release(self, name: str) -> Release:
        """Return a release of a distribution.

        Raises:
            PlanError: there is none of that name.

        """
        return _named(self.releases, name, "release", "codename")

    def host(self, name: str) -> Host:
        """Return a host.

        Raises:
            PlanError: there is none of that name.

        """
        return _named(self.hosts, name, "instance type", "aws.instance_type")


@cache
def load_catalogue() -> Catalogue:
    """Read the shipped catalogue.

    Raises:
        msgspec.ValidationError: a row does not fit the schema.

    """
    return Catalogue(
        models=_by_name("models", "model", Model),
        licences=_by_name("licences", "licence", Licence),
        gpus=_by_name("gpus", "gpu", Gpu),
        hosts=_by_name("hosts", "host", Host),
        providers=_by_name("providers", "provider", Provider),
        engines=_by_name("engines", "engine", Engine),
        artefacts=_by_name("artefacts", "artefact", Artefact),
        host_prices=_rows("prices", "host_hour", HostPrice),
        purchases=_rows("prices", "purchase", PurchasePrice),
        resource_prices=_by_name("prices", "resource", ResourcePrice),
        apis=_by_name("prices", "api", ApiPrice),
        assumptions=_by_name("assumptions", "assumption", Assumption),
        rates=_rows("prices", "rate", Rate),
        releases=_by_name("releases", "release", Release),
        needs=_by_name("downloads", "need", RuntimeNeed),
        architectures=_by_name("downloads", "architecture", ArchitectureNeeds),
    )


def _by_name(file: str, table: str, kind: type[Named]) -> dict[str, Named]:
    return {row.name: row for row in _rows(file, table, kind)}


def _rows(file: str, table: str, kind: type[AnyRow]) -> tuple[AnyRow, ...]:
    """Read the rows of one table of `file`.toml."""
    values = tomllib.loads((FOLDER / f"{file}.toml").read_text(encoding="utf-8"))
    return msgspec.convert(values.get(table, []), tuple[kind, ...])  # type: ignore[valid-type]  # a type at run time


def _named(rows: dict[str, Named], name: str, what: str, field: str) -> Named:
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=3, cutoff=0.3) or sorted(rows)
    raise PlanError(
        f"`{field}`: the catalogue has no {what} {name!r}",
        hint=f"Nearest names: {', '.join(near)}.",
        code="unknown_" + what.lower().replace(" ", "_"),
    )
