"""Long work over many bytes: how far it is, in parallel, and stopped at once when it must stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from planner.progress import Progress

_SHARES = 10
"""Remarks from beginning to end: one per tenth."""

Item = TypeVar("Item")
Made = TypeVar("Made")


class StoppedError(Exception):
    """Work ended because other work beside it failed, or a person interrupted."""


class Meter:
    """Counts bytes from many threads, and says so after every tenth.

    Args:
        progress: whom to tell.
        total: bytes in all.
        done: what has happened to those that count, for example `verified`.
        everything: ends this work and other work beside it, when set.

    """

    def __init__(self, progress: Progress, total: int, done: str, everything: threading.Event | None = None) -> None:
        self._progress, self._total, self._done = progress, total, done
        self._everything = everything or threading.Event()
        self._count = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Tell whether work is to end."""
        return self._stopped.is_set() or self._everything.is_set()

    def stop(self) -> None:
        """Let every thread end at its next `advance`."""
        self._stopped.set()

    def advance(self, count: int) -> None:
        """Add bytes.

        Raises:
            StoppedError: work is to end.

        """
        if self.stopped:
            raise StoppedError
        with self._lock:
            before, self._count = self._count, self._count + count
            if self._total and before * _SHARES // self._total < self._count * _SHARES // self._total:
                self._progress.note(f"{self._done}: {gigabytes(self._count)} of {gigabytes(self._total)}")


def gigabytes(count: int) -> str:
    """Return a number of bytes as people read it: decimal, as disks and networks are sold."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def in_parallel(work: Callable[[Item], Made], items: Iterable[Item], threads: int, meter: Meter) -> list[Made]:
    """Do work on each item, in order of the items; when one fails or a person interrupts, end all of it.

    Raises:
        Exception: the first failure.

    """
    pool = ThreadPoolExecutor(threads)
    try:
        running = [pool.submit(work, item) for item in items]
        for one in wait(running, return_when=FIRST_EXCEPTION).done:
            one.result()  # raises what it raised
        return [one.result() for one in running]
    except BaseException:
        meter.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
