"""Published weaknesses of programs: which versions have them."""

from __future__ import annotations

import datetime as dt
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from planner.catalogue.rows import Row

TABLE = Path(__file__).parent / "catalogue" / "advisories.toml"

Version = tuple[int, ...]


class Advisory(Row, frozen=True, kw_only=True):
    """A weakness, and the versions that have it."""

    id: str
    program: str
    what: str
    severity: Literal["low", "medium", "high", "critical"]
    since: str = ""
    """The first version that has it; all before the fix when empty."""
    fixed: tuple[str, ...] = ()
    """The first version without it, of each line of versions that was mended."""
    only: tuple[str, ...] = ()
    """The versions that are known to have it, where there is no fix."""
    published: dt.date | None = None


class Advisories(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table, and when somebody last read through the sources."""

    checked: dt.date
    advisory: tuple[Advisory, ...]


@cache
def load_advisories() -> Advisories:
    """Read the shipped table.

    Raises:
        msgspec.ValidationError: a row does not fit the schema.

    """
    return msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), Advisories)


def version_of(text: str) -> Version | None:
    """Return a version's numbers; None for what has others beside them: nobody can say where it belongs."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else None


def affects(advisory: Advisory, version: Version) -> bool:
    """Tell whether a version has the weakness.

    A fix mends its own line of versions (3.6.19 mends 3.6); lines that are newer than every fix are mended as well, and
    those between or before are not.
    """
    if advisory.only:
        return version in map(version_of, advisory.only)
    if advisory.since and version < (version_of(advisory.since) or ()):
        return False
    fixes = sorted(fix for fix in map(version_of, advisory.fixed) if fix)
    line = [fix for fix in fixes if fix[:2] == version[:2]]
    return version < (line or fixes)[-1]
