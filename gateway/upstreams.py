"""The replicas behind the gateway: whose turn it is, and which are passed over for a moment."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp

from gateway.config import Upstream
from gateway.metrics import GatewayMetrics

ASIDE_S = 2.0
"""How long a replica that failed is passed over; a supervisor starts one that died again in about that time."""
NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No connection came about, so nothing was sent, and another replica can be asked without anything done twice."""

log = logging.getLogger("gateway")


@dataclass(eq=False)
class Replica:
    """One copy of the engine, as the gateway sees it."""

    name: str
    url: str
    in_flight: int = 0
    last_turn: int = 0
    aside_until: float = 0.0
    """On the monotonic clock, in seconds."""


class Upstreams:
    """Gives each request to the replica with the fewest under way, and of equals to the one whose turn is longest ago.

    A replica that failed is passed over for `ASIDE_S` as long as another one is left: one that is gone would cost every
    request a try, and one that fails at once would look the least busy.
    """

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession, metrics: GatewayMetrics) -> None:
        self._session = session
        self._metrics = metrics
        self._turns = itertools.count(1)
        self._replicas = [Replica(name, url.rstrip("/")) for name, url in upstream.replicas.items()]
        for replica in self._replicas:  # each is shown from the start, with nothing counted
            metrics.replica_requests.labels(replica.name)
            metrics.replica_failures.labels(replica.name)
            metrics.replica_in_flight.labels(replica.name)

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer of a replica, its headers read; leaving the block ends the request.

        Another replica is asked only where no connection came about. What was sent may have been worked on.

        Raises:
            aiohttp.ClientError: no replica can be connected to, or the one that was asked broke off.

        """
        untried = list(self._replicas)
        while True:
            replica = self._next(untried)
            untried.remove(replica)
            with self._under_way(replica):
                try:
                    answer = await self._session.request(
                        method, f"{replica.url}{path}", data=body or None, headers=headers, allow_redirects=False
                    )
                except aiohttp.ClientError as error:
                    self._put_aside(replica, type(error).__name__)
                    if untried and isinstance(error, NOT_CONNECTED):
                        continue
                    raise
                async with answer:
                    try:
                        yield answer
                    finally:
                        if (broken := answer.content.exception()) is not None:
                            self._put_aside(replica, type(broken).__name__)
                        elif answer.status >= 500:
                            self._put_aside(replica, f"HTTP {answer.status}")
                return

    def _next(self, untried: Collection[Replica]) -> Replica:
        now = time.monotonic()
        chosen = min(untried, key=lambda replica: (replica.aside_until > now, replica.in_flight, replica.last_turn))
        chosen.last_turn = next(self._turns)
        return chosen

    @contextmanager
    def _under_way(self, replica: Replica) -> Iterator[None]:
        gauge = self._metrics.replica_in_flight.labels(replica.name)
        self._metrics.replica_requests.labels(replica.name).inc()
        replica.in_flight += 1
        gauge.inc()
        try:
            yield
        finally:
            replica.in_flight -= 1
            gauge.dec()

    def _put_aside(self, replica: Replica, why: str) -> None:
        """Pass it over for a while; `why` is for the log, and holds nothing that was asked or answered."""
        self._metrics.replica_failures.labels(replica.name).inc()
        now = time.monotonic()
        if replica.aside_until <= now:
            log.warning("%s failed (%s): passed over for %g s", replica.name, why, ASIDE_S)
        replica.aside_until = now + ASIDE_S
