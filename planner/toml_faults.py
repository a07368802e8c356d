"""What msgspec found wrong with values from a TOML file, as the path of a field and words for a person."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import inspect

_AT_PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<field>[^`]+)`")
_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]+)`")


class Fault(NamedTuple):
    """A field that is wrong, and in what way.

    Attributes:
        path: keys from the root; the number of an element of an array, as text.
        what: a clause for a person, for example "this field is missing".

    """

    path: tuple[str, ...]
    what: str


def fault_of(error: msgspec.ValidationError, root: type[msgspec.Struct]) -> Fault:
    """Return what an error of `msgspec.convert(values, root)` says, with the nearest name for a misspelt one."""
    message = str(error)
    match = _AT_PATH.search(message)
    path = [part for part in re.split(r"[.\[\]]+", match["path"]) if part and part != "..."] if match else []
    what = _AT_PATH.sub("", message)
    what = what[:1].lower() + what[1:]
    if unknown := _UNKNOWN_FIELD.search(message):
        near = difflib.get_close_matches(unknown["field"], _fields(root, path), n=1)
        path.append(unknown["field"])
        what = "no such field" + (f"; did you mean `{near[0]}`?" if near else "")
    elif missing := _MISSING_FIELD.search(message):
        path.append(missing["field"])
        what = "this field is missing"
    return Fault(tuple(path), what)


def _fields(root: type[msgspec.Struct], path: Sequence[str]) -> list[str]:
    """Return the names of the fields of the struct at a path; none where the path leads to no struct."""
    kinds: list[inspect.Type] = [inspect.type_info(root)]
    for key in path:
        kinds = [below for kind in kinds for below in _below(kind, key)]
    return [field.name for kind in kinds for field in _fields_of(kind)]


def _below(kind: inspect.Type, key: str) -> list[inspect.Type]:
    """Return the types that a value may have under a key, or as an element."""
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        found = [kind.item_type]
    else:
        found = [field.type for field in _fields_of(kind) if field.name == key]
    return [part for below in found for part in (below.types if isinstance(below, inspect.UnionType) else [below])]


def _fields_of(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    return kind.fields if isinstance(kind, inspect.StructType) else ()
