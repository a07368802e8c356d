"""Leaving a host that is about to be taken away: nothing new is taken, and what is under way ends before it goes.

A drain is asked for again and again while its cause lasts (`gateway.reclaim` does). One that nobody repeats lapses a
minute after the host was to go: a notice that was called off, or a host that came back, needs nobody's hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.errors import RefusalError

LAST_WORD_S = 5.0
"""So long before the host goes, answers that have not ended are broken off, so that each client is told."""
LAPSES_AFTER_S = 60.0
"""So long after the host was to go, a drain that nobody asked for again is over."""

log = logging.getLogger("gateway")


class DrainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /drain`."""

    reason: Annotated[str, Meta(pattern=r"^[a-z][a-z-]{0,39}$")]
    """In a word or two, for logs and people."""
    seconds_left: Annotated[float, Meta(ge=0, le=86400)]
    """Until the host is taken away."""


class Draining:
    """Whether the host is being left, why, and how long it has. Moments are on the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.reason = ""
        self._goes_at = 0.0
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def active(self) -> bool:
        """Whether new requests are refused."""
        return bool(self.reason) and time.monotonic() < self._goes_at + LAPSES_AFTER_S

    @property
    def seconds_left(self) -> float:
        """Until the host goes; 0 when it could go any moment."""
        return max(0.0, self._goes_at - time.monotonic())

    def begin(self, asked: DrainRequest) -> None:
        """Take nothing new from now on, and let what is under way end before the host goes."""
        if not self.active:
            log.warning("draining: %s, %.0f s left", asked.reason, asked.seconds_left)
        self.reason = asked.reason
        self._goes_at = time.monotonic() + asked.seconds_left
        for limit in self._under_way:
            self._bound(limit)

    def end(self) -> None:
        """Take requests again."""
        if self.active:
            log.warning("no longer draining: %s", self.reason)
        self.reason = ""

    def refuse(self) -> None:
        """Refuse a new request while the host is being left.

        Raises:
            RefusalError: 503, with the time after which another host, or this one again, may answer.

        """
        if self.active:
            left = str(max(1, round(self.seconds_left)))
            raise RefusalError(
                503, "this host is about to be taken away and takes no new requests", "draining", {"Retry-After": left}
            )

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Bound a request: by its own time, and by the host's when that is shorter.

        Raises:
            TimeoutError: it did not end in time.

        """
        async with asyncio.timeout(seconds) as limit:
            self._under_way.add(limit)
            try:
                if self.active:
                    self._bound(limit)
                yield
            finally:
                self._under_way.discard(limit)

    def _bound(self, limit: asyncio.Timeout) -> None:
        # The loop's clock is the monotonic one (asyncio's documentation of `loop.time`).
        last = max(self._goes_at - LAST_WORD_S, asyncio.get_running_loop().time())
        until = limit.when()
        if not limit.expired() and (until is None or last < until):
            limit.reschedule(last)
