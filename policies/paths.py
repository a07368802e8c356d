"""The way to a value inside of plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.resources import UNKNOWN


def at(properties: Any, *path: str) -> Any:
    """Return the value at a path of keys: None where it is absent, UNKNOWN where a part of the path is.

    Raises:
        TypeError: something on the way is neither absent nor an object.

    """
    value = properties
    for key in path:
        if value is None or value is UNKNOWN:
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object around {key!r}, found {type(value).__name__}")
        value = value.get(key)
    return value
