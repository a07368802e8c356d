"""The good stack of the cases, and how a mutant is made from it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies.examples import urn_of

CASES = Path(__file__).parent / "cases"

Record = dict[str, Any]


@dataclass(frozen=True)
class Shipped:
    """What rules get to see of a shipped profile on a target, before it is made."""

    plan: Plan
    resources: tuple[Resource, ...]
    files: dict[str, str]


Previewed = dict[str, Shipped]
"""For example `2xh200 on aws` -> what it is."""


def good_stack() -> list[Record]:
    """Return the records of the good stack, as they are once it exists."""
    records: list[Record] = json.loads((CASES / "good_stack.json").read_text())
    return records


def mutants() -> list[Record]:
    cases: list[Record] = json.loads((CASES / "mutants.json").read_text())
    return cases


def mutate(records: list[Record], mutant: Record) -> list[Record]:
    """Return the records with a mutant's changes: `set` (null takes away), `add` and `remove`."""
    records = deepcopy(records)
    by_place = {f"{record['type']}::{record['name']}": record for record in records}
    for place, changes in mutant.get("set", {}).items():
        for path, value in changes.items():
            change(by_place[place]["inputs"], path, value)
    gone = mutant.get("remove", [])
    assert all(place in by_place for place in gone)
    kept = [record for place, record in by_place.items() if place not in gone]
    return [*kept, *mutant.get("add", [])]


def change(inputs: Record, path: str, value: Any) -> None:
    """Set a value at a dotted path; `name#path` goes into the JSON text of a policy document."""
    name, inside, rest = path.partition("#")
    if inside:
        document = json.loads(inputs[name])
        change(document, rest, value)
        inputs[name] = json.dumps(document)
        return
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    target: Any = inputs
    for key in way:
        target = target[key]
    if value is None:
        del target[last]
    else:
        target[last] = value


def settled(records: list[Record]) -> tuple[Resource, ...]:
    """Return the resources as they are once they exist."""
    return tuple(
        Resource(
            type=record["type"],
            name=record["name"],
            urn=urn_of(record["type"], record["name"]),
            inputs=record["inputs"],
            id=record.get("id", ""),
            dependencies=tuple(urn_of(*place.rsplit("::", 1)) for place in record.get("after", ())),
        )
        for record in records
    )


def preview(records: list[Record]) -> tuple[Resource, ...]:
    """Return the resources before they exist: no ids, and UNKNOWN wherever an id of another one would stand."""
    ids = {record["id"] for record in good_stack() if record.get("id")}

    def forget(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: forget(item) for key, item in value.items()}
        if isinstance(value, list):
            return [forget(item) for item in value]
        if isinstance(value, str) and (value in ids or any(value.endswith(f"/{known}") for known in ids)):
            return UNKNOWN
        return value

    return settled([{**record, "id": "", "inputs": forget(record["inputs"])} for record in records])
