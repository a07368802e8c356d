"""Shipped tables, read by themselves: tests of one table do not depend on the others."""

from __future__ import annotations

import tomllib
from functools import cache

import msgspec

from planner.catalogue import FOLDER
from planner.catalogue.rows import Licence, Model


@cache
def shipped_models() -> dict[str, Model]:
    """Return the shipped models by name."""
    values = tomllib.loads((FOLDER / "models.toml").read_text(encoding="utf-8"))
    return {row.name: row for row in msgspec.convert(values["model"], list[Model])}


@cache
def shipped_licences() -> dict[str, Licence]:
    """Return the shipped licences by name."""
    values = tomllib.loads((FOLDER / "licences.toml").read_text(encoding="utf-8"))
    return {row.name: row for row in msgspec.convert(values["licence"], list[Licence])}
