"""A host that is about to be taken away: nothing new, nothing cut."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import draining
from tests.gateway.support import Running, gateway, token
from tests.gateway.test_proxy import CHAT, read_until_broken, until


async def drain(running: Running, **body: Any) -> int:
    async with running.client.post(running.admin.make_url("/drain"), json=body) as answer:
        return answer.status


async def text(running: Running, path: str) -> str:
    async with running.client.get(running.admin.make_url(path)) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_new_requests_are_refused_and_none_under_way_is_cut(tmp_path: Path) -> None:
    async with gateway(tmp_path, engines=2) as running:
        for engine in running.engines:
            engine.answer = "stream"
        bearer = token()
        streams = [await running.ask(bearer, CHAT, "POST", data=b"{}", whole=False) for _ in range(40)]
        assert {stream.status for stream in streams} == {200}
        assert await drain(running, reason="spot-interruption", seconds_left=110) == 202

        refused = await asyncio.gather(*(running.ask(bearer, CHAT, "POST", data=b"{}") for _ in range(40)))
        assert {answer.status for answer in refused} == {503}
        assert all(100 <= int(answer.headers["Retry-After"]) <= 110 for answer in refused)
        assert (await refused[0].json())["error"]["type"] == "draining"
        assert sum(len(engine.requests) for engine in running.engines) == 40

        assert await text(running, "/healthz") == "draining: spot-interruption\n"
        assert "gateway_draining 1.0" in await running.metrics()
        for engine in running.engines:
            engine.go_on.set()
        bodies = await asyncio.gather(*(stream.read() for stream in streams))
        assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)


async def test_who_asks_comes_before_whether_it_drains(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        await drain(running, reason="spot-interruption", seconds_left=110)
        assert (await running.ask()).status == 401
        assert (await running.ask(token(), "/nothing")).status == 404
        observer = token(claims={"scope": "observe"})
        assert (await running.ask(observer, "/forward-auth")).status == 200


async def test_what_does_not_end_in_time_is_told_so_before_the_host_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = "stream"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        await answer.content.readuntil(b"\n\n")
        await drain(running, reason="spot-interruption", seconds_left=draining.LAST_WORD_S + 0.2)
        last = await asyncio.wait_for(read_until_broken(answer), 3)
        assert b"taken away before the answer could end" in last
        await asyncio.wait_for(running.engine.cancelled.wait(), 3)


async def test_a_request_that_gets_to_the_engine_after_the_drain_began_is_bounded_as_well() -> None:
    left = draining.Draining()
    left.begin(draining.DrainRequest(reason="spot-interruption", seconds_left=0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3) as outer, left.within(60):
            await asyncio.sleep(30)
    assert not outer.expired()


async def test_a_drain_that_nobody_repeats_lapses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path) as running:
        await drain(running, reason="host-maintenance", seconds_left=0)
        assert (await running.ask(token())).status == 503
        monkeypatch.setattr(draining, "LAPSES_AFTER_S", 0.0)
        assert (await running.ask(token())).status == 200
        assert await text(running, "/healthz") == "ok\n"
        assert "gateway_draining 0.0" in await running.metrics()


async def test_a_drain_is_called_off(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        await drain(running, reason="host-maintenance", seconds_left=100)
        async with running.client.delete(running.admin.make_url("/drain")) as answer:
            assert answer.status == 204
        assert (await running.ask(token())).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "x"},
        {"reason": "two words", "seconds_left": 1},
        {"reason": "x", "seconds_left": -1},
        {"reason": "x", "seconds_left": 1, "more": 1},
    ],
)
async def test_nonsense_drains_nothing(tmp_path: Path, body: dict[str, Any]) -> None:
    async with gateway(tmp_path) as running:
        assert await drain(running, **body) == 400
        assert (await running.ask(token())).status == 200


async def test_only_this_host_can_drain(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        answer = await running.ask(token(), "/drain", "POST", json={"reason": "x", "seconds_left": 1})
        assert answer.status == 404
        await until(lambda: True)
        assert await text(running, "/healthz") == "ok\n"
