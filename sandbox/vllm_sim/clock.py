"""The clock the engine runs on; tests give it one that does not wait."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only go forward, and waiting for them."""

    def now(self) -> float:
        """Seconds since some fixed moment."""

    async def sleep_until(self, moment: float) -> None:
        """Return at `moment` or later, and always let other tasks run."""


class MonotonicClock:
    """The clock that asyncio's event loop goes by."""

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Wait for real."""
        await asyncio.sleep(moment - time.monotonic())
