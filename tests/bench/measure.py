"""How figures are taken: whole processes, after a warm-up, medians."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Figure:
    """A figure: what, the median and the extremes in seconds, against which bound, and how it was measured."""

    what: str
    seconds: Sequence[float]
    bound_s: float | None
    how: str

    def line(self) -> str:
        median = statistics.median(self.seconds)
        spread = f"{min(self.seconds):.3f} to {max(self.seconds):.3f}"
        bound = f"(at most {self.bound_s:g} s wanted)" if self.bound_s is not None else "(reference)"
        return f"{self.what:<44} {median:8.3f} s  {bound:<26} {spread}, {len(self.seconds)} runs; {self.how}"


def machine() -> str:
    """Name the machine, so that a figure can be compared with the next."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def time_of(work: Callable[[], object]) -> float:
    """Return how long the work takes, in seconds of the wall clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process_times(command: Sequence[str], runs: int, env: dict[str, str] | None = None) -> list[float]:
    """Time a command as a whole process: one warm-up, then so many counted runs."""

    def once() -> None:
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    once()
    return [time_of(once) for _ in range(runs)]


def say(text: str) -> None:
    """Print a line of the report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
