"""Several replicas behind one gateway: who is asked, and who is asked instead."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from gateway import upstreams
from tests.gateway.support import Running, gateway, server_of, token
from tests.gateway.test_proxy import CHAT, until

GONE = {"gone": "http://127.0.0.1:9"}
"""A replica that refuses connections."""


def asked(running: Running) -> list[int]:
    return [len(engine.requests) for engine in running.engines]


async def figure(running: Running, name: str, replica: str) -> float:
    line = f'gateway_replica_{name}{{replica="{replica}"}} '
    (found,) = [text for text in (await running.metrics()).splitlines() if text.startswith(line)]
    return float(found.removeprefix(line))


async def test_requests_one_after_another_go_round(tmp_path: Path) -> None:
    async with gateway(tmp_path, engines=4) as running:
        for _ in range(8):
            assert (await running.ask(token(), CHAT, "POST", data=b"{}")).status == 200
        assert asked(running) == [2, 2, 2, 2]
        assert [await figure(running, "requests_total", f"engine-{number}") for number in range(4)] == [2] * 4


async def test_the_least_busy_replica_is_asked(tmp_path: Path) -> None:
    async with gateway(tmp_path, engines=3) as running:
        running.engines[0].answer = running.engines[2].answer = "waits"
        bearer = token()
        waiting = [asyncio.create_task(running.ask(bearer)) for _ in range(3)]
        await until(lambda: asked(running) == [1, 1, 1])
        for _ in range(3):
            assert (await running.ask(bearer)).status == 200
        assert asked(running) == [1, 4, 1]
        assert [await figure(running, "in_flight", f"engine-{number}") for number in range(3)] == [1, 0, 1]
        running.engines[0].go_on.set()
        running.engines[2].go_on.set()
        assert [(await answer).status for answer in waiting] == [200, 200, 200]
        assert [await figure(running, "in_flight", f"engine-{number}") for number in range(3)] == [0, 0, 0]


async def test_a_request_whose_client_left_is_not_under_way(tmp_path: Path) -> None:
    async with gateway(tmp_path, engines=2) as running:
        running.engine.answer = "stream"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        await answer.content.readany()
        assert await figure(running, "in_flight", "engine-0") == 1
        answer.close()
        await asyncio.wait_for(running.engine.cancelled.wait(), 5)
        assert await figure(running, "in_flight", "engine-0") == 0
        assert await figure(running, "failures_total", "engine-0") == 0


async def test_a_replica_that_refuses_is_passed_over_and_nobody_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "ASIDE_S", 60)
    async with gateway(tmp_path, engines=2, replicas=GONE) as running:
        for _ in range(8):
            assert (await running.ask(token(), CHAT, "POST", data=b'{"a":1}')).status == 200
        assert asked(running) == [4, 4]
        assert {body for engine in running.engines for body in engine.bodies} == {b'{"a":1}'}
        assert await figure(running, "failures_total", "gone") == 1, "it was asked again at once"


async def test_a_replica_that_came_back_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "ASIDE_S", 0.2)
    async with gateway(tmp_path, engines=2) as running, AsyncExitStack() as stack:
        port = running.servers[1].port
        await running.servers[1].close()
        for _ in range(4):
            assert (await running.ask(token())).status == 200
        assert asked(running) == [4, 0]
        await stack.enter_async_context(server_of(running.engines[1], port))
        async with asyncio.timeout(5):
            while asked(running)[1] == 0:
                assert (await running.ask(token())).status == 200


async def test_when_no_replica_is_left_it_is_a_bad_gateway_until_one_is(tmp_path: Path) -> None:
    """Being passed over is no ban: where nobody else is left, a replica is tried."""
    async with gateway(tmp_path, engines=2) as running, AsyncExitStack() as stack:
        port = running.servers[1].port
        for server in running.servers:
            await server.close()
        for _ in range(2):
            answer = await running.ask(token())
            assert answer.status == 502
            assert "refused" in (await answer.json())["error"]["message"]
        assert [await figure(running, "failures_total", f"engine-{number}") for number in range(2)] == [2, 2]
        await stack.enter_async_context(server_of(running.engines[1], port))
        assert (await running.ask(token())).status == 200


@pytest.mark.parametrize("answer", ["breaks", "leaves", "fails"])
async def test_what_was_sent_is_never_sent_twice(tmp_path: Path, answer: str) -> None:
    async with gateway(tmp_path, engines=2) as running:
        for engine in running.engines:
            engine.answer = answer
            engine.go_on.set()
        got = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        if answer == "breaks":
            with pytest.raises(aiohttp.ClientError):
                await got.content.read()
        else:
            assert got.status == {"leaves": 502, "fails": 500}[answer]
        got.close()
        assert sum(asked(running)) == 1
        assert await figure(running, "failures_total", "engine-0") == 1


async def test_a_replica_that_fails_at_once_does_not_draw_the_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would always be the least busy one."""
    monkeypatch.setattr(upstreams, "ASIDE_S", 60)
    async with gateway(tmp_path, engines=3) as running:
        running.engines[1].answer = "fails"
        running.engines[0].answer = running.engines[2].answer = "waits"
        bearer = token()
        asking = [asyncio.create_task(running.ask(bearer)) for _ in range(9)]
        await until(lambda: sum(asked(running)) == 9)
        for engine in running.engines:
            engine.go_on.set()
        statuses = [(await answer).status for answer in asking]
        assert statuses.count(200) >= 6
        assert [(await running.ask(bearer)).status for _ in range(6)] == [200] * 6
