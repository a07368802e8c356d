"""A user's own rows, laid over the shipped catalogue: prices, machines, providers, assumptions."""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

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

DEFAULTS = ("source", "as_of", "verified")
"""Fields that may stand once, at the top of the file, for all rows that lack them."""


class OwnRows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's file: the tables of the catalogue, and what holds for all rows."""

    source: str | None = None
    as_of: dt.date | None = None
    verified: bool | None = None
    gpu: tuple[Gpu, ...] = ()
    host: tuple[Host, ...] = ()
    provider: tuple[Provider, ...] = ()
    licence: tuple[Licence, ...] = ()
    model: tuple[Model, ...] = ()
    host_hour: tuple[HostPrice, ...] = ()
    purchase: tuple[PurchasePrice, ...] = ()
    api: tuple[ApiPrice, ...] = ()
    assumption: tuple[Assumption, ...] = ()
    rate: tuple[Rate, ...] = ()


TABLES = tuple(field for field in OwnRows.__struct_fields__ if field not in DEFAULTS)

Named = TypeVar("Named", Gpu, Host, Provider, Licence, Model, ApiPrice, Assumption)


def with_overrides(catalogue: Catalogue, text: str, origin: str) -> Catalogue:
    """Return the catalogue with a user's rows in it.

    The text is TOML with the catalogue's tables: `[[gpu]]`, `[[host]]`, `[[provider]]`, `[[licence]]`, `[[model]]`,
    `[[host_hour]]`, `[[purchase]]`, `[[api]]`, `[[assumption]]`, `[[rate]]`. A row replaces, as a whole, the shipped
    one of the same name; a purchase the one of the same host; a rate the one between the same two currencies. A price
    by the hour replaces those of the same host and capacity in the regions that it names, or in all where it names
    none.

    Every row needs a date: `as_of`, in the row or once at the top of the file. Without a `source` the file is the
    source, and without `verified` its rows count as verified: they are the user's own contract or quotation. All three
    may stand once at the top.

    Args:
        catalogue: the shipped one.
        text: the user's TOML.
        origin: the file, as errors and sources shall name it.

    Raises:
        UsageError: no TOML, an unknown table or field, a value out of range, a row twice, or a row that refers to one
            that is not there; the message names the file, the line and the row.

    """
    document = _Document(text, origin)
    own = document.rows()
    changed = msgspec.structs.replace(
        catalogue,
        gpus=_by_name(catalogue.gpus, own.gpu),
        hosts=_by_name(catalogue.hosts, own.host),
        providers=_by_name(catalogue.providers, own.provider),
        licences=_by_name(catalogue.licences, own.licence),
        models=_by_name(catalogue.models, own.model),
        apis=_by_name(catalogue.apis, own.api),
        assumptions=_by_name(catalogue.assumptions, own.assumption),
        host_prices=(*own.host_hour, *_elsewhere(catalogue.host_prices, own.host_hour)),
        purchases=(*own.purchase, *_other_than(catalogue.purchases, own.purchase)),
        rates=(*own.rate, *_other_than(catalogue.rates, own.rate)),
    )
    document.check_references(own, changed)
    return changed


def _by_name(shipped: Mapping[str, Named], own: Iterable[Named]) -> dict[str, Named]:
    return {**shipped, **{row.name: row for row in own}}


def _key(row: Row) -> Hashable:
    """Return what makes a row the same as another one of its table."""
    match row:
        case HostPrice():
            return row.host, row.capacity, frozenset(row.regions)
        case PurchasePrice():
            return row.host
        case Rate():
            return frozenset((row.base, row.quote))
        case Gpu() | Host() | Provider() | Licence() | Model() | ApiPrice() | Assumption():
            return row.name
        case _:
            raise TypeError(type(row).__name__)


Keyed = TypeVar("Keyed", PurchasePrice, Rate)


def _other_than(shipped: Iterable[Keyed], own: Iterable[Keyed]) -> Iterator[Keyed]:
    taken = {_key(row) for row in own}
    return (row for row in shipped if _key(row) not in taken)


def _elsewhere(shipped: Iterable[HostPrice], own: tuple[HostPrice, ...]) -> Iterator[HostPrice]:
    """Return the shipped prices, each without the regions for which the user gives one.

    A shipped price that names no region stays beside a user's for some regions: it holds in the others.
    """
    for price in shipped:
        same = [row for row in own if (row.host, row.capacity) == (price.host, price.capacity)]
        if any(not row.regions for row in same):
            continue
        taken = {region for row in same for region in row.regions}
        left = tuple(region for region in price.regions if region not in taken)
        if left or not price.regions:
            yield msgspec.structs.replace(price, regions=left)


class _Document:
    """The user's file, read once; knows where what stands."""

    def __init__(self, text: str, origin: str) -> None:
        self._text = text
        self._origin = origin
        try:
            self._values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._error((), f"not TOML: {error}") from None

    def rows(self) -> OwnRows:
        """Return the rows, with what the top of the file says for all of them."""
        for name, value in self._values.items():
            if name not in OwnRows.__struct_fields__:
                near = difflib.get_close_matches(name, TABLES, n=1)
                asked = f"did you mean [[{near[0]}]]?" if near else f"there are {', '.join(TABLES)}"
                raise self._error((name,), f"no such table; {asked}")
            if name in TABLES and isinstance(value, dict):
                raise self._error((name,), f"a row begins with [[{name}]], in double brackets")
        try:
            own = msgspec.convert(self._filled(), OwnRows)
        except msgspec.ValidationError as error:
            path, what = fault_of(error, OwnRows)
            if path[-1:] == ("as_of",) and what == "this field is missing":
                what += ": when was this read? Give it in the row, or once at the top of the file"
            raise self._error(path, what) from None
        self._check_twice(own)
        return own

    def _filled(self) -> dict[str, Any]:
        """Return the values with defaults in every row, and in every certificate of a provider."""
        given = {field: self._values[field] for field in DEFAULTS if field in self._values}
        defaults = {"source": f"file {self._origin}", "verified": True, **given}  # a source has three letters at least

        def fill(row: Any) -> Any:
            if not isinstance(row, dict):
                return row
            inner = row.get("certificates")
            more = {"certificates": [fill(each) for each in inner]} if isinstance(inner, list) else {}
            return {**defaults, **row, **more}

        return {
            name: [fill(row) for row in value] if name in TABLES and isinstance(value, list) else value
            for name, value in self._values.items()
        }

    def _check_twice(self, own: OwnRows) -> None:
        for table in TABLES:
            seen: Counter[Hashable] = Counter()
            for number, row in enumerate(getattr(own, table)):
                seen[_key(row)] += 1
                if seen[_key(row)] > 1:
                    raise self._error((table, str(number)), "this row is there twice")

    def check_references(self, own: OwnRows, catalogue: Catalogue) -> None:
        """Refuse a row of the user's that names what neither the file nor the catalogue has."""
        for table, field, rows in (
            ("host", "gpu", catalogue.gpus),
            ("host", "provider", catalogue.providers),
            ("model", "licence", catalogue.licences),
            ("host_hour", "host", catalogue.hosts),
            ("purchase", "host", catalogue.hosts),
            ("api", "provider", catalogue.providers),
        ):
            for number, row in enumerate(getattr(own, table)):
                name = getattr(row, field)
                if name not in rows:
                    near = difflib.get_close_matches(name, rows, n=3, cutoff=0.3)
                    asked = f"; nearest: {', '.join(near)}" if near else ""
                    raise self._error((table, str(number), field), f"there is no {field} {name!r}{asked}")

    def _error(self, path: tuple[str, ...], what: str) -> UsageError:
        line = (line_of(self._text, path) or line_of(self._text, (*path, "0"))) if path else None
        place = f"{self._origin}:{line}" if line is not None else self._origin
        return UsageError(
            f"{place}: {self._words(path)}{what}",
            hint="The rows and their fields are those of planner/catalogue/*.toml. Nothing was changed.",
            code="prices_invalid",
        )

    def _words(self, path: tuple[str, ...]) -> str:
        """Return a path as a person reads it: the row by its number and name, then the field."""
        if not path:
            return ""
        table, *rest = path
        if not rest or not rest[0].isdigit():
            return f"`{'.'.join(path)}`: "
        row = self._values[table][int(rest[0])]
        name = (row.get("name") or row.get("host")) if isinstance(row, dict) else None
        told = f" ({name})" if isinstance(name, str) else ""
        field = f" `{'.'.join(rest[1:])}`" if rest[1:] else ""
        return f"[[{table}]] number {int(rest[0]) + 1}{told}{field}: "
