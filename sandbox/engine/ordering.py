"""The order in which resources are deleted, and doing it side by side where the order allows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

from sandbox.engine.state import Record

PARALLEL = 8
"""Operations at once when resources are read or deleted."""


def key_of(record: Record) -> str:
    """Return a key: a replaced resource and its replacement have the same URN, but not the same id."""
    return f"{record.urn}#{record.id}"


def in_order(records: list[Record]) -> TopologicalSorter[str]:
    """Return a sorter that gives the keys of dependents before those of what they depend on."""
    keys: dict[str, list[str]] = {}
    for record in records:
        keys.setdefault(record.urn, []).append(key_of(record))
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for record in records:
        sorter.add(key_of(record))
        for needed in {*record.dependencies, record.parent} & keys.keys():
            for key in keys[needed]:
                sorter.add(key, key_of(record))
    return sorter


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
