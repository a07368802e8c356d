"""The order in which resources are deleted, and doing it side by side where the order allows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from sandbox.engine.state import Record

PARALLEL = 8
"""Operations at once when resources are read or deleted."""


def key_of(record: Record) -> str:
    """Return a key: a replaced resource and its replacement have the same URN, but not the same id."""
    return f"{record.urn}#{record.id}"


def in_order(records: list[Record]) -> TopologicalSorter[str]:
    """Return a sorter that gives the keys of dependents before those of what they depend on.

    A run that was killed may leave records that depend on each other: of a resource and its replacement only one is
    meant by a dependency, and what the dependent's inputs do not name is not. Those edges are dropped.
    """
    keyed = {key_of(record): record for record in records}
    keys: dict[str, list[str]] = {}
    for key, record in keyed.items():
        keys.setdefault(record.urn, []).append(key)
    dependents: dict[str, set[str]] = {key: set() for key in keyed}
    for key, record in keyed.items():
        for needed in {*record.dependencies, record.parent} & keys.keys():
            for other in keys[needed]:
                dependents[other].add(key)
    while cycle := _cycle(dependents):
        edges = list(pairwise(cycle))
        dependent, needed = min(edges, key=lambda edge: _names(keyed[edge[0]], keyed[edge[1]]))
        dependents[needed].discard(dependent)
    return TopologicalSorter(dependents)


def _cycle(dependents: dict[str, set[str]]) -> list[str]:
    """Return a circle, each key before one that it depends on, the first again at the end; empty if there is none."""
    try:
        TopologicalSorter(dependents).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def _names(dependent: Record, needed: Record) -> bool:
    """Tell whether a record's inputs hold another's id, by itself or in an ARN."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(needed.id)}(?![\w-])")
    return bool(needed.id) and pattern.search(json.dumps(dependent.inputs)) is not None


def in_parallel(sorter: TopologicalSorter[str], work: Callable[[str], None]) -> list[tuple[str, Exception]]:
    """Do the work in order, side by side where the order allows; what waits for a failure is not done."""
    failures: list[tuple[str, Exception]] = []
    sorter.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        while sorter.is_active():
            running |= {pool.submit(work, key): key for key in sorter.get_ready()}
            if not running:
                break  # everything that is left waits for a failure
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                key = running.pop(future)
                error = future.exception()
                if error is None:
                    sorter.done(key)
                elif isinstance(error, Exception):
                    failures.append((key, error))
                else:
                    raise error
    return failures
