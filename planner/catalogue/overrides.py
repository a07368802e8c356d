"""A person's own rows, laid over the shipped ones: the same tables, in one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from planner.catalogue import Catalogue
from planner.catalogue.rows import (
    ApiPrice,
    Assumption,
    Gpu,
    Host,
    HostPrice,
    Licence,
    Model,
    Provider,
    PurchasePrice,
    Rate,
    Row,
)
from planner.errors import UsageError
from planner.toml_faults import fault_of
from planner.toml_lines import line_of

Key = Callable[[Any], object]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file: what its rows are, where they go, and which of them take each other's place."""

    kind: type[Row]
    field: str
    key: Key


TABLES = {
    "model": Table(kind=Model, field="models", key=lambda row: row.name),
    "licence": Table(kind=Licence, field="licences", key=lambda row: row.name),
    "gpu": Table(kind=Gpu, field="gpus", key=lambda row: row.name),
    "host": Table(kind=Host, field="hosts", key=lambda row: row.name),
    "provider": Table(kind=Provider, field="providers", key=lambda row: row.name),
    "api": Table(kind=ApiPrice, field="apis", key=lambda row: row.name),
    "assumption": Table(kind=Assumption, field="assumptions", key=lambda row: row.name),
    "host_hour": Table(kind=HostPrice, field="host_prices", key=lambda row: (row.host, row.capacity, row.regions)),
    "purchase": Table(kind=PurchasePrice, field="purchases", key=lambda row: row.host),
    "rate": Table(kind=Rate, field="rates", key=lambda row: (row.base, row.quote)),
}
"""Table of the file -> what its rows are; rows with the same key replace shipped ones."""


def with_overrides(catalogue: Catalogue, text: str, origin: str) -> Catalogue:
    """Lay a file's rows over a catalogue.

    A row of one's own needs `as_of`, since every price ages; `source` is the file where none is given, and `verified`
    is true, since its author answers for it.

    Args:
        catalogue: what the rows are laid over.
        text: TOML with the tables of the catalogue's own files.
        origin: the file, as errors shall name it.

    Raises:
        UsageError: it is not TOML, has an unknown table, or a row is wrong; the message names file, line and field.

    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin}: not TOML: {error}", hint="Mend the line named above.") from None
    changed: dict[str, Any] = {}
    for name, rows in values.items():
        if name not in TABLES:
            raise UsageError(f"{origin}: there is no table `{name}`", hint=f"Known: {', '.join(TABLES)}.")
        table = TABLES[name]
        own = _rows(name, rows, table, text, origin)
        changed[table.field] = _laid_over(getattr(catalogue, table.field), own, table)
    result = msgspec.structs.replace(catalogue, **changed)
    _check_names(result, origin)
    return result


def _rows(name: str, rows: object, table: Table, text: str, origin: str) -> list[Any]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{origin}: `{name}` is no list of rows", hint=f"Write each row as [[{name}]].")
    own = []
    for number, row in enumerate(rows):
        try:
            own.append(msgspec.convert({"source": origin, "verified": True, **row}, table.kind))
        except msgspec.ValidationError as error:
            fault = fault_of(error, table.kind)
            line = line_of(text, [name, str(number), *fault.path])
            place = f"{origin}:{line}" if line is not None else origin
            field = ".".join((name, str(number), *fault.path))
            hint = "A row of your own needs `as_of`, the day on which it held." if "as_of" in fault.path else ""
            raise UsageError(f"{place}: `{field}`: {fault.what}", hint=hint) from None
    return own


def _laid_over(shipped: Any, own: list[Any], table: Table) -> Any:
    """Put own rows first: where several prices fit, theirs is taken."""
    if isinstance(shipped, Mapping):
        return {**shipped, **{row.name: row for row in own}}
    keys = {table.key(row) for row in own}
    return (*own, *(row for row in shipped if table.key(row) not in keys))


def _check_names(catalogue: Catalogue, origin: str) -> None:
    """Refuse rows that refer to what there is not."""
    wrong = [
        *((f"host {h.name}", "gpu", h.gpu) for h in catalogue.hosts.values() if h.gpu not in catalogue.gpus),
        *(
            (f"host {h.name}", "provider", h.provider)
            for h in catalogue.hosts.values()
            if h.provider not in catalogue.providers
        ),
        *((f"price of {p.host}", "host", p.host) for p in catalogue.host_prices if p.host not in catalogue.hosts),
        *((f"price of {p.host}", "host", p.host) for p in catalogue.purchases if p.host not in catalogue.hosts),
        *(
            (f"model {m.name}", "licence", m.licence)
            for m in catalogue.models.values()
            if m.licence not in catalogue.licences
        ),
    ]
    for row, field, name in wrong:
        raise UsageError(
            f"{origin}: {row}: there is no {field} {name!r}", hint=f"Add a [[{field}]] row, or correct the name."
        )
