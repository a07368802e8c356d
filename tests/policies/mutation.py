"""Mutants of shipped stacks, made from families that are data: what is changed, where, and into what.

A family of `cases/mutants.toml` names one place:

- `plan = "dotted.path"`, `file = "name"` with `path`, or `type = "pulumi type"` with `path`, and `values`; `"<gone>"`
  takes the value away. In a path `*` is every item of a list or table, a word is a key or the `name` of a list's item,
  and `policy#Statement.0` goes on inside JSON text; `unit`, `container` and `around_container` (the
  latter two of a Quadlet) have settings and their values;
- `append = [[...]]` adds words to a list instead, `drop = [...]` takes an option and its value from a command line;
- `add = [types]` adds a resource, `remove = [types]` takes one away, `days = [...]` judges on another day.

`also` sets further places of a plan first; `target` (words) and `only` say of which stacks. `harmless` says why
no rule need catch it. `brings` says that what the rule is about comes with the change, and is not in the sound stack.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from planner.plan import Plan
from planner.resources import Resource
from policies.examples import quadlet, toml_text, unit, urn_of
from policies.files import Loader
from policies.run import evaluate, judge
from tests.policies.stacks import Shipped

FAMILIES = Path(__file__).parent / "cases" / "mutants.toml"
GONE = "<gone>"
TODAY = date(2026, 11, 21)
Keys = tuple[str | int, ...]
Found = frozenset[tuple[str, str, str]]
"""Rule, place and message of what is violated."""


@dataclass(frozen=True)
class Mutant:
    """One change of one stack, at the one level where it shows."""

    what: str
    stack: str
    harmless: str
    brings: bool = False
    plan: Plan | None = None
    resources: tuple[Resource, ...] = ()
    files: dict[str, str] | None = None
    day: date = field(default=TODAY)

    def judged(self) -> frozenset[str]:
        """Return the rules that had something to judge."""
        outcome = judge(self.plan, self.resources, files=self.files, today=self.day)
        return frozenset(rule for rule, _ in outcome.judged)

    def violations(self) -> Found:
        findings = evaluate(self.plan, self.resources, files=self.files, today=self.day)
        assert not [one for one in findings if one.status == "broken"], (self.what, findings)
        return frozenset((one.rule, one.resource, one.message) for one in findings if one.status == "violated")


Family = dict[str, Any]


def families() -> list[Family]:
    found: list[Family] = tomllib.loads(FAMILIES.read_text())["family"]
    return found


def silent_rules() -> dict[str, str]:
    """Rules that no mutant of a shipped stack can reach, and why."""
    found: dict[str, str] = tomllib.loads(FAMILIES.read_text())["silent"]
    return found


def originals(name: str, shipped: Shipped) -> Iterator[Mutant]:
    """The stack unchanged, at each level: what is violated here is no mutant's doing."""
    base = Mutant("nothing", name, "")
    yield replace(base, plan=shipped.plan)
    yield replace(base, plan=shipped.plan, resources=shipped.resources)
    yield replace(base, files=with_unit(shipped))


def with_unit(shipped: Shipped) -> dict[str, str]:
    """The rendered files, and a sound unit and a sound container in place of those that hosts get."""
    return {**shipped.files, **unit(), **quadlet()}


SPOILT: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {
    "unit": unit,
    "container": quadlet,
    "around_container": lambda changes: quadlet(service=changes),
}
"""Kinds of families that spoil one setting of a file -> what makes the file."""

Depth = Literal["family", "value", "place"]
"""How many mutants of a family are made: one, one for each value, or one for each value at each place that fits."""


def mutants(name: str, shipped: Shipped, depth: Depth) -> Iterator[Mutant]:
    """Make the mutants of a stack."""
    for family in families():
        of_target = shipped.plan.target in family.get("target", shipped.plan.target).split()
        if of_target and family.get("only", name) == name:
            seen: set[str] = set()
            for mutant in _of_family(name, shipped, family):
                value = mutant.what.rpartition(" -> ")[2]
                if depth == "place" or not (seen if depth == "family" else {value} & seen):
                    seen.add(value)
                    yield mutant


def _of_family(name: str, shipped: Shipped, family: Family) -> Iterator[Mutant]:
    brings = family.get("brings", "add" in family or "whole" in family)  # what cannot be read may hold anything
    base = Mutant(family.get("what", ""), name, family.get("harmless", ""), brings)
    if "days" in family:
        yield from (replace(base, what=f"{day}", plan=shipped.plan, day=day) for day in family["days"])
    elif "plan" in family:
        for what, document in _changed(_planned(shipped.plan, family.get("also", {})), family["plan"], family):
            yield replace(base, what=f"plan {what}", plan=msgspec.convert(document, Plan))
    elif "file" in family:
        yield from _file_mutants(base, shipped, family)
    elif kind := next((kind for kind in SPOILT if kind in family), ""):
        for setting, values in family[kind].items():
            for value in values:
                files = {**with_unit(shipped), **SPOILT[kind]({setting: ... if value == GONE else value})}
                yield replace(base, what=f"{kind} {setting} -> {value}", files=files)
    else:
        yield from _resource_mutants(replace(base, plan=shipped.plan), shipped.resources, family)


def _planned(plan: Plan, also: dict[str, Any]) -> Any:
    document = json.loads(msgspec.json.encode(plan))
    for path, value in also.items():
        document = _with(document, tuple(path.split(".")), value)
    return document


def _file_mutants(base: Mutant, shipped: Shipped, family: Family) -> Iterator[Mutant]:
    path = next(path for path in shipped.files if path == family["file"] or path.endswith(f"/{family['file']}"))
    text = shipped.files[path]
    toml = path.endswith(".toml")
    document = tomllib.loads(text) if toml else yaml.load(text, Loader=Loader)
    if family.get("whole"):
        rest = {name: text for name, text in with_unit(shipped).items() if name != path}
        yield replace(base, what=f"{path} -> {GONE}", files=rest)
        yield replace(base, what=f"{path} -> cut short", files={**rest, path: text[: len(text) // 2] + "\n{[:"})
        return
    for what, changed in _changed(document, family["path"], family):
        written = toml_text(_tables_last(changed)) if toml else json.dumps(changed)
        yield replace(base, what=f"{path} {what}", files={**with_unit(shipped), path: written})


def _tables_last(document: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(document.items(), key=lambda item: isinstance(item[1], dict)))


def _resource_mutants(base: Mutant, resources: tuple[Resource, ...], family: Family) -> Iterator[Mutant]:
    for type_ in family.get("add", ()):
        urn = urn_of(type_, "mutant")
        added = Resource(type=type_, name="mutant", urn=urn, inputs=family.get("inputs", {}))
        yield replace(base, what=f"added -> {type_}", resources=(*resources, added))
    for type_ in family.get("remove", ()):
        kept = tuple(one for one in resources if one.type != type_)
        if len(kept) < len(resources):
            yield replace(base, what=f"removed -> {type_}", resources=kept)
    for place, victim in enumerate(resources if "type" in family else ()):
        if victim.type == family["type"] or (family["type"] == "*" and family["path"].split(".")[0] in victim.inputs):
            for what, inputs in _changed(dict(victim.inputs), family["path"], family):
                spoilt = msgspec.structs.replace(victim, inputs=inputs)
                changed = (*resources[:place], spoilt, *resources[place + 1 :])
                yield replace(base, what=f"{victim.type}::{victim.name} {what}", resources=changed)


def _changed(document: Any, path: str, family: Family) -> Iterator[tuple[str, Any]]:
    """Yield (what, changed copy) for each place that a path leads to, and each value."""
    outer, hash_, inner = path.partition("#")
    for keys in _places(document, outer.split(".")):
        name = ".".join(map(str, keys))
        old = _at(document, keys)
        if hash_ and isinstance(old, str):
            for what, value in _changed(json.loads(old), inner, family):
                yield f"{name}#{what}", _with(document, keys, json.dumps(value))
            continue
        if hash_:
            continue  # not known yet
        for value in _values(old, family):
            if value != old:
                yield f"{name} -> {json.dumps(value)[:60]}", _with(document, keys, value)


def _values(old: Any, family: Family) -> Iterator[Any]:
    yield from family.get("values", ())
    for words in family.get("append", ()):
        yield [*old, *words]
    for option in family.get("drop", ()):
        if option in old:
            at = list(old).index(option)
            has_value = at + 1 < len(old) and not str(old[at + 1]).startswith("--")
            yield [*old[:at], *old[at + 1 + has_value :]]


def _places(value: Any, path: list[str]) -> Iterator[Keys]:
    """Yield the keys of each place; the last key of a table may be new."""
    head, *rest = path
    for key in _keys(value, head, new=not rest):
        below = _at(value, (key,)) if rest else None
        yield from ((key, *more) for more in _places(below, rest)) if rest else ((key,),)


def _keys(value: Any, head: str, *, new: bool) -> Iterator[str | int]:
    if isinstance(value, dict):
        yield from value if head == "*" else (head,) if head in value or new else ()
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if head == "*" or head == str(place) or (isinstance(item, dict) and item.get("name") == head):
                yield place


def _at(value: Any, keys: Keys) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else value[key]
    return value


def _with(value: Any, keys: tuple[Any, ...], new: Any) -> Any:
    key, *rest = keys
    if isinstance(value, list):
        below = _with(value[key], tuple(rest), new) if rest else new
        return [*value[:key], *([] if below == GONE else [below]), *value[key + 1 :]]
    value = value or {}
    below = _with(value.get(key), tuple(rest), new) if rest else new
    others = {name: kept for name, kept in value.items() if name != key}
    return others if isinstance(below, str) and below == GONE else {**others, key: below}
