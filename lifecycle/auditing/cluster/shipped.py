"""Roles and bindings that every API server makes for itself; what somebody added to one is somebody's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import msgspec

TABLE = "shipped.json"
"""What Kubernetes 1.36 makes and the rules would refuse. Held against a real server by the tests, which write it."""
GIVEN = ("apiGroups", "resources", "nonResourceURLs", "verbs", "resourceNames")

Document = Mapping[str, Any]
Right = tuple[tuple[str, ...], ...]
"""One verb on one thing: a value of each of `GIVEN`, but all names together."""


@cache
def shipped() -> Mapping[str, Document]:
    """Return the table: kind, namespace and name -> what the server wrote."""
    content = resources.files(__package__).joinpath(TABLE).read_bytes()
    table: Mapping[str, Document] = msgspec.json.decode(content)
    return table


def beyond_shipped(name: str, one: Document) -> Document | None:
    """Return what a role or binding says beyond what the server makes of that name; None where that is nothing.

    Args:
        name: kind, namespace if there is one, and name.
        one: as it is now.

    """
    made = shipped().get(name)
    if made is None:
        return one
    if "roleRef" in made:
        return _beyond(one, "subjects", _subjects(made, one))
    if made.get("aggregationRule") and one.get("aggregationRule") == made["aggregationRule"]:
        return None  # a controller writes its rules over, from roles that are judged themselves
    known = set(_rights(made.get("rules") or ()))
    rules = [_rule(right) for right in _rights(one.get("rules") or ()) if right not in known]
    return _beyond(one, "rules", rules)


def _beyond(one: Document, key: str, left: list[Any]) -> Document | None:
    return {**one, key: left} if left else None


def _subjects(made: Document, one: Document) -> list[Any]:
    """Return the subjects that the server does not name; all where it would give them another role."""
    subjects = one.get("subjects") or []
    if one.get("roleRef") != made["roleRef"]:
        return list(subjects)
    return [subject for subject in subjects if subject not in made["subjects"]]


def _rights(rules: Iterable[Document]) -> Iterator[Right]:
    """Yield every single right that rules give: other versions of a server group the same ones otherwise."""
    for rule in rules:
        given = [rule.get(name) or [""] for name in GIVEN[:-1]]
        names = tuple(rule.get("resourceNames") or ())
        yield from ((*((value,) for value in values), names) for values in product(*given))


def _rule(right: Right) -> Document:
    return {name: list(values) for name, values in zip(GIVEN, right, strict=True) if values and values != ("",)}
