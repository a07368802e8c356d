"""How much one client, and all of them, may have under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.config import Limits
from gateway.errors import too_many


class InFlight:
    """Counts requests under way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_client: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Requests under way."""
        return self._by_client.total()

    @contextmanager
    def slot(self, client: str) -> Iterator[None]:
        """Take a place for one request.

        Raises:
            RefusalError: 429 when the client has too many, 503 when all have.

        """
        if self._by_client[client] >= self._limits.max_in_flight_per_client:
            raise too_many("from this client", 429)
        if self._by_client.total() >= self._limits.max_in_flight:
            raise too_many("in all", 503)
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
