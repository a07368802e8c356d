"""Clocks that do not wait, and a server in this process."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from sandbox.vllm_sim.app import build_app
from sandbox.vllm_sim.clock import Clock
from sandbox.vllm_sim.options import parse

FAST = ("--served-model-name", "tiny", "--max-model-len", "1024", "--port", "0")


class VirtualClock:
    """Time passes as soon as somebody waits for it.

    Args:
        late: seconds by which every wait is too long.

    """

    def __init__(self, *, late: float = 0.0) -> None:
        self._now = 0.0
        self._late = late

    def now(self) -> float:
        return self._now

    async def sleep_until(self, moment: float) -> None:
        self._now = max(self._now, moment + self._late)
        await asyncio.sleep(0)


class ManualClock:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, moment: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (moment, next(self._order), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, waking everyone on the way at their time."""
        end = self._now + seconds
        while True:
            await _settle()
            if not self._sleepers or self._sleepers[0][0] > end:
                break
            moment, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, moment)
            woken.set()
        self._now = end


async def _settle() -> None:
    """Let every task run until it waits for something else than its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Sim:
    """A running server and a client for it."""

    url: str
    client: aiohttp.ClientSession

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        """Status and JSON of a POST."""
        async with self.client.post(self.url + path, json=body, **options) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of a GET."""
        async with self.client.get(self.url + path) as response:
            return response.status, await response.text()

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one series; the labels `engine` and `model_name` need not be given."""
        _, text = await self.get("/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                own = {label: value for label, value in sample.labels.items() if label not in ("engine", "model_name")}
                if (sample.name, own) == (name, labels):
                    return sample.value
        raise LookupError(f"{name} {labels}")

    async def until(self, value: float, name: str, **labels: str) -> None:
        """Wait until a series has a value."""
        async with asyncio.timeout(10):
            while await self.metric(name, **labels) != value:  # noqa: ASYNC110  # the server gives no sign but this
                await asyncio.sleep(0.01)


@asynccontextmanager
async def simulator(
    *arguments: str, clock: Clock | None = None, environment: dict[str, str] | None = None
) -> AsyncIterator[Sim]:
    """Serve on a free loopback port, with the model `tiny` and a context of 1024 tokens unless told otherwise."""
    options = parse([*FAST, *arguments], environment or {})
    runner = web.AppRunner(
        build_app(options, clock or VirtualClock()), access_log=None, handler_cancellation=True, shutdown_timeout=0.001
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:
            yield Sim(f"http://127.0.0.1:{port}", client)
    finally:
        await runner.cleanup()
