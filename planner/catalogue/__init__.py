"""Facts of the world as data: each row says where it comes from and when it was read."""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from planner.errors import PlanError

FOLDER = Path(__file__).parent


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row with its origin."""

    source: str
    as_of: dt.date
    verified: bool
    """From a primary source."""


class Model(Row, frozen=True, kw_only=True):
    """An open model. Sizes in GiB, parameters in units of 10^9."""

    name: str
    hub: str
    licence: str
    quantization: Literal["none", "fp8", "mxfp4"]
    total_params_b: float
    active_params_b: float
    weights_gib: float
    active_weights_gib: float
    kv_bytes_per_token: int
    kv_heads: int
    kv_replicated: bool = False
    max_position: int


class Gpu(Row, frozen=True, kw_only=True):
    """A GPU."""

    name: str
    title: str
    memory_gib: float
    bandwidth_tb_s: float
    bf16_tflops: float
    fp8_tflops: float | None = None


class Host(Row, frozen=True, kw_only=True):
    """A machine with GPUs."""

    name: str
    provider: str
    gpu: str
    gpus: int
    vcpus: int
    memory_gib: int
    network_cards: int
    efa_interfaces: int
    zones: dict[str, tuple[str, ...]]


class Price(Row, frozen=True, kw_only=True):
    """What a whole host costs; empty `regions` means that the source names none."""

    host: str
    capacity: str
    regions: tuple[str, ...]
    usd_per_hour: float


class Engine(Row, frozen=True, kw_only=True):
    """An inference engine, and what sizing assumes of it."""

    name: str
    version: str
    block_tokens: int
    overhead_gib: float
    bandwidth_efficiency: float
    compute_efficiency: float


class ArtefactSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place an artefact may come from."""

    kind: Literal["wheel", "module", "path", "debian"]
    name: str


class Artefact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that a stack runs."""

    name: str
    version: str
    licence: str
    sources: tuple[ArtefactSource, ...]
    stand_in: bool = False


Named = TypeVar("Named", Model, Gpu, Host, Engine, Artefact)
AnyRow = TypeVar("AnyRow", bound=msgspec.Struct)


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, by name where they have one."""

    models: dict[str, Model]
    gpus: dict[str, Gpu]
    hosts: dict[str, Host]
    engines: dict[str, Engine]
    artefacts: dict[str, Artefact]
    prices: tuple[Price, ...]

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
        models={row.name: row for row in _rows("models", Model)},
        gpus={row.name: row for row in _rows("gpus", Gpu)},
        hosts={row.name: row for row in _rows("hosts", Host)},
        engines={row.name: row for row in _rows("engines", Engine)},
        artefacts={row.name: row for row in _rows("artefacts", Artefact)},
        prices=tuple(_rows("prices", Price)),
    )


def _rows(file: str, kind: type[AnyRow]) -> list[AnyRow]:
    """Read `file`.toml, whose rows stand under the singular of its name."""
    values = tomllib.loads((FOLDER / f"{file}.toml").read_text(encoding="utf-8"))
    return [msgspec.convert(row, kind) for row in values[file.removesuffix("s")]]


def _named(rows: dict[str, Named], name: str, what: str, field: str) -> Named:
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=3, cutoff=0.3) or sorted(rows)
    raise PlanError(
        f"`{field}`: the catalogue has no {what} {name!r}",
        hint=f"Nearest names: {', '.join(near)}.",
        code="unknown_" + what.lower().replace(" ", "_"),
    )
