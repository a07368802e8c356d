"""What passes, what does not, and how it streams."""

from __future__ import annotations

import asyncio
import json
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.gateway.support import Running, gateway, token

pytestmark = pytest.mark.slow

CHAT = "/v1/chat/completions"


async def until(condition: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def test_what_the_engine_sees_and_what_the_client_sees(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        claimed = {"X-Cloister-Client": "somebody-else", "X-Forwarded-User": "root", "Cookie": "a=b", "X-Api-Key": "k"}
        answer = await running.ask(token(), CHAT, "POST", data=b'{"a":1}', headers=claimed)
        assert answer.status == 200
        seen = running.engine.requests[0]
        assert seen.headers["Authorization"] == "Bearer engine-key"
        assert seen.headers["X-Cloister-Client"] == "tester"
        assert seen.headers["Accept-Encoding"] == "identity"
        assert not {"Cookie", "X-Forwarded-User", "X-Api-Key"} & set(seen.headers)
        assert running.engine.bodies == [b'{"a":1}']
        assert "Set-Cookie" not in answer.headers
        assert "X-Inner" not in answer.headers
        assert answer.headers["X-Request-Id"] == seen.headers["X-Request-Id"]


async def test_each_chunk_is_passed_on_at_once(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = "stream"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        first = await asyncio.wait_for(answer.content.readany(), 5)
        assert first == b'data: {"model":"m"}\n\n'
        running.engine.go_on.set()
        assert (await answer.content.read()).endswith(b"data: [DONE]\n\n")
        await until(lambda: True)
        metrics = await running.metrics()
        assert 'gateway_tokens_total{client="tester",direction="completion",model="m"} 4.0' in metrics
        assert 'gateway_ttft_seconds_count{client="tester",model="m"} 1.0' in metrics


async def test_a_client_that_leaves_cancels_the_engines_work(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = "stream"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        await answer.content.readany()
        answer.close()
        await asyncio.wait_for(running.engine.cancelled.wait(), 5)


async def test_a_slow_client_slows_the_engine(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = "endless"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        await answer.content.readany()
        seen = -1
        deadline = time.monotonic() + 10
        while seen != running.engine.written:
            assert time.monotonic() < deadline, "the engine was never held back"
            seen = running.engine.written
            await asyncio.sleep(0.3)
        assert seen < 64 * 2**20
        answer.close()


async def read_until_broken(answer: aiohttp.ClientResponse) -> bytes:
    """Read an answer that must not end as a whole one does."""
    received = bytearray()

    async def read() -> None:
        async for chunk in answer.content.iter_any():
            received.extend(chunk)

    with pytest.raises(aiohttp.ClientError):
        await read()
    answer.close()
    return bytes(received)


@pytest.mark.parametrize(("fault", "code"), [("breaks", 502), ("is too slow", 504)])
async def test_a_stream_that_breaks_ends_with_an_error_event(tmp_path: Path, fault: str, code: int) -> None:
    async with gateway(tmp_path, limits={"request_timeout_s": 1}) as running:
        running.engine.answer = "breaks" if fault == "breaks" else "stream"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        assert await answer.content.readuntil(b"\n\n") == b'data: {"model":"m"}\n\n'
        if fault == "breaks":
            running.engine.go_on.set()
        event = await read_until_broken(answer)
        assert event.startswith(b"data: {")
        assert event.endswith(b"}\n\n")
        error = json.loads(event[6:])["error"]
        assert (error["type"], error["code"]) == ("upstream_error", code)
        assert set(error) == {"message", "type", "param", "code"}


async def test_an_event_that_breaks_is_not_made_whole(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = "breaks_within_an_event"
        answer = await running.ask(token(), CHAT, "POST", data=b"{}", whole=False)
        assert await answer.content.readuntil(b"\n\n")
        running.engine.go_on.set()
        assert b"error" not in await read_until_broken(answer)


async def converse(running: Running, head: str, bearer: str, *, stop: bytes) -> tuple[bytes, Any]:
    """Send the head of a request; return what comes back up to `stop`, and what goes on with it."""
    host, port = running.public.host, running.public.port
    assert port is not None
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"{head}\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
    return await asyncio.wait_for(reader.readuntil(stop), 5), (reader, writer)


@pytest.mark.parametrize(
    ("bearer", "length", "status"), [("none", 2, b"401"), ("", 2, b"401"), ("good", 2000, b"413"), ("good", 2, b"100")]
)
async def test_a_body_is_asked_for_when_it_is_known_who_sends_it(
    tmp_path: Path, bearer: str, length: int, status: bytes
) -> None:
    async with gateway(tmp_path, limits={"max_body_bytes": 1000}) as running:
        head = f"POST {CHAT} HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: {length}"
        got, (reader, writer) = await converse(running, head, token() if bearer == "good" else bearer, stop=b"\r\n\r\n")
        assert got.split()[1] == status
        if status == b"100":
            writer.write(b"{}")
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert running.engine.bodies == [b"{}"]
        else:
            assert running.engine.requests == []
        writer.close()


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [("html", 502, "OpenAI-compatible"), ("redirect", 502, "redirect"), ("unauthorized", 502, "gateway's key")],
)
async def test_what_no_engine_answers_is_a_bad_gateway(tmp_path: Path, answer: str, status: int, told: str) -> None:
    async with gateway(tmp_path) as running:
        running.engine.answer = answer
        got = await running.ask(token())
        assert got.status == status
        assert told in (await got.json())["error"]["message"]


async def test_an_engine_that_is_not_there_is_a_bad_gateway(tmp_path: Path) -> None:
    async with gateway(tmp_path, replicas={"engine-0": "http://127.0.0.1:9"}) as running:
        assert (await running.ask(token())).status == 502


async def test_an_engine_that_is_too_slow_is_a_timeout(tmp_path: Path) -> None:
    async with gateway(tmp_path, limits={"request_timeout_s": 1}) as running:
        running.engine.answer = "waits"
        got = await running.ask(token())
        assert got.status == 504
        await asyncio.wait_for(running.engine.cancelled.wait(), 5)


async def test_a_request_may_be_so_large_and_no_larger(tmp_path: Path) -> None:
    async with gateway(tmp_path, limits={"max_body_bytes": 1000}) as running:
        assert (await running.ask(token(), CHAT, "POST", data=b"x" * 1000)).status == 200

        async def chunks() -> Any:
            for _ in range(20):
                yield b"x" * 100

        assert (await running.ask(token(), CHAT, "POST", data=b"x" * 1001)).status == 413
        assert (await running.ask(token(), CHAT, "POST", data=chunks())).status == 413
        assert len(running.engine.requests) == 1


async def test_limits_of_one_client_and_of_all(tmp_path: Path) -> None:
    async with gateway(tmp_path, limits={"max_in_flight": 3, "max_in_flight_per_client": 2}) as running:
        running.engine.answer = "waits"
        mine, theirs = token(), token(claims={"sub": "other"})
        waiting = [asyncio.create_task(running.ask(mine)) for _ in range(2)]
        await until(lambda: len(running.engine.requests) == 2)
        refused = await running.ask(mine)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        waiting.append(asyncio.create_task(running.ask(theirs)))
        await until(lambda: len(running.engine.requests) == 3)
        assert (await running.ask(token(claims={"sub": "third"}))).status == 503
        running.engine.go_on.set()
        assert [(await answer).status for answer in waiting] == [200, 200, 200]
        assert (await running.ask(mine)).status == 200


async def test_connections_are_bounded(tmp_path: Path) -> None:
    async with gateway(tmp_path, limits={"max_connections": 2}) as running:
        running.engine.answer = "waits"
        waiting = [asyncio.create_task(running.ask(token())) for _ in range(2)]
        await until(lambda: len(running.engine.requests) == 2)
        assert (await running.ask(token())).status == 503
        running.engine.go_on.set()
        assert [(await answer).status for answer in waiting] == [200, 200]


def raw(port: int, method: str, path: str, bearer: str) -> tuple[int, str]:
    """Ask with the path exactly as written."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.putrequest(method, path, skip_host=False)
        if bearer:
            connection.putheader("Authorization", f"Bearer {bearer}")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Allow", "")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/tokenize",
        "/metrics",
        "//v1/models",
        "/v1//models",
        "/v1/./models",
        "/v1/x/../models",
        "/v1/models/",
        "/v1/models;a=b",
        "/v1%2fmodels",
        "/%76%31/models",
        "/V1/models",
        "/v1/models%00",
        "/v1/models%20",
        "/v1/models/../../tokenize",
        "/v1/models\\",
    ],
)
async def test_only_paths_in_the_list_as_they_are_written(tmp_path: Path, path: str) -> None:
    async with gateway(tmp_path) as running:
        port = running.public.port
        assert port is not None
        loop = asyncio.get_running_loop()
        status, _ = await loop.run_in_executor(None, raw, port, "GET", path, token())
        assert status in {400, 404}
        status, _ = await loop.run_in_executor(None, raw, port, "GET", path, "")
        assert status in {400, 401}
        assert running.engine.requests == []


async def test_methods_are_listed_too(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        answer = await running.ask(token(), "/v1/models", "DELETE")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
        assert (await running.ask(token(), CHAT, "GET")).status == 405
        assert (await running.ask(token(), "/v1/models?limit=1")).status == 200


async def test_forward_auth_vouches_for_observers_only(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        assert (await running.ask(None, "/forward-auth")).status == 401
        assert (await running.ask(token(), "/forward-auth")).status == 403
        answer = await running.ask(token(claims={"scope": "observe", "jti": "j"}), "/forward-auth")
        assert answer.status == 200
        assert (answer.headers["X-Cloister-Client"], answer.headers["X-Cloister-Jti"]) == ("tester", "j")
        assert running.engine.requests == []


async def test_metrics_do_not_grow_with_what_strangers_send(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        for number in range(20):
            await running.ask(None, f"/path-{number}")
            await running.ask(token(), CHAT, "POST", data=json.dumps({"model": f"model-{number}"}).encode())
        metrics = await running.metrics()
        assert "path-" not in metrics
        assert "model-" not in metrics
