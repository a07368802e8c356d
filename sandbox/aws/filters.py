"""EC2's `Filters`: which records a describe call means."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from sandbox.aws.errors import AwsError


class Filterable(Protocol):
    """A record that filters can be applied to."""

    def facts(self) -> Mapping[str, str]:
        """Return what filters may ask for: filter name -> value."""


T = TypeVar("T", bound=Filterable)


def _pattern(value: str) -> re.Pattern[str]:
    """Return EC2's wildcards (`*`, `?`, escaped with a backslash) as a regular expression."""
    escaped = value.replace("[", "[[]").replace(r"\*", "[*]").replace(r"\?", "[?]")
    return re.compile(fnmatch.translate(escaped))


def _holds(facts: Mapping[str, str], tags: Mapping[str, str], name: str, values: list[str]) -> bool:
    if name == "tag-key":
        candidates = list(tags)
    elif name.startswith("tag:"):
        candidates = [tags[name[4:]]] if name[4:] in tags else []
    elif name in facts:
        candidates = [facts[name]]
    else:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(_pattern(value).match(candidate) for value in values for candidate in candidates)


def select(
    records: Iterable[tuple[T, Mapping[str, str]]], filters: list[dict[str, Any]] | None
) -> list[tuple[T, Mapping[str, str]]]:
    """Return those of the (record, tags) pairs that meet every filter.

    Raises:
        AwsError: `InvalidParameterValue` for a filter that these records do not have.

    """
    return [
        (record, tags)
        for record, tags in records
        if all(_holds(record.facts(), tags, wanted["Name"], wanted.get("Values", [])) for wanted in filters or [])
    ]
