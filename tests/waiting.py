"""Waiting for a condition, with a bound: what tests do where others would sleep."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], seconds: float = 30, every_s: float = 0.02) -> None:
    """Return once a condition holds; fail when it does not within so many seconds, asked so often."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(every_s)
