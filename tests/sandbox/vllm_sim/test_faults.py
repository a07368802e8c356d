"""Faults that a test asks for, and files that are no good."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.vllm_sim.faults import FaultFile, Faults
from tests.sandbox.vllm_sim.support import ManualClock, simulator

BODY = {"prompt": "Tell me", "max_tokens": 5}


def write(path: Path, faults: Any) -> None:
    """Replace the file at once, as whoever injects faults into a running server should."""
    new = path.with_suffix(".new")
    new.write_text(faults if isinstance(faults, str) else json.dumps(faults))
    new.replace(path)


def remove(path: Path) -> None:
    """Take all faults back."""
    path.unlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


async def test_none_at_first_then_some_then_none(path: Path) -> None:
    async with simulator("--fault-file", str(path)) as sim:
        assert (await sim.post("/v1/completions", BODY))[0] == 200
        write(path, {"error_rate": 1.0, "status": 503})
        status, said = await sim.post("/v1/completions", BODY)
        assert status == said["error"]["code"] == 503
        assert said["error"]["type"] == "InternalServerError"
        remove(path)
        assert (await sim.post("/v1/completions", BODY))[0] == 200


async def test_error_rate(path: Path) -> None:
    write(path, {"error_rate": 0.5})
    outcomes = []
    for _ in range(2):
        async with simulator("--fault-file", str(path), "--seed", "3") as sim:
            outcomes.append([(await sim.post("/v1/completions", BODY))[0] for _ in range(40)])
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {200, 500}
    assert 10 < outcomes[0].count(500) < 30


async def test_hang(path: Path) -> None:
    """A hung engine keeps requests waiting, says it is healthy, and goes on when the fault is gone."""
    write(path, {"hang": True})
    clock = ManualClock()
    async with simulator("--fault-file", str(path), clock=clock) as sim:
        waiting = asyncio.create_task(sim.post("/v1/completions", BODY))
        await sim.until(1, "vllm:num_requests_waiting")
        await clock.advance(60)
        assert not waiting.done()
        assert (await sim.get("/health"))[0] == 200
        remove(path)
        await clock.advance(100)
        assert (await waiting)[0] == 200


async def test_a_client_may_leave_a_hung_engine(path: Path) -> None:
    write(path, {"hang": True})
    clock = ManualClock()
    async with simulator("--fault-file", str(path), clock=clock) as sim:
        async with sim.client.post(f"{sim.url}/v1/completions", json={**BODY, "stream": True}) as answer:
            assert answer.status == 200
            await sim.until(1, "vllm:num_requests_waiting")
        await sim.until(0, "vllm:num_requests_waiting")
        remove(path)
        await clock.advance(1)
        after = asyncio.create_task(sim.post("/v1/completions", BODY))
        await sim.until(1, "vllm:num_requests_running")
        await clock.advance(100)
        assert (await after)[0] == 200


async def test_late_first_token(path: Path) -> None:
    async with simulator("--fault-file", str(path), "--prefill-tokens-per-second", "inf") as sim:
        assert (await sim.post("/v1/completions", BODY))[0] == 200
        write(path, {"first_token_delay_s": 5})
        assert (await sim.post("/v1/completions", BODY))[0] == 200
        assert await sim.metric("vllm:time_to_first_token_seconds_sum") == pytest.approx(5)


async def read_all(answer: aiohttp.ClientResponse, received: bytearray) -> None:
    async for data in answer.content.iter_any():
        received += data


@pytest.mark.parametrize("tokens", [0, 1, 3])
async def test_cut_off_in_mid_stream(path: Path, tokens: int) -> None:
    write(path, {"abort_after_tokens": tokens})
    body = {"prompt": "Tell me", "max_tokens": 1000, "ignore_eos": True, "stream": True}
    async with simulator("--fault-file", str(path)) as sim:
        received = bytearray()
        async with sim.client.post(f"{sim.url}/v1/completions", json=body) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await read_all(answer, received)
        assert received.count(b"data: {") == tokens
        assert b"[DONE]" not in received
        await sim.until(1, "vllm:request_success_total", finished_reason="abort")


async def test_cut_off_before_a_whole_answer(path: Path) -> None:
    write(path, {"abort_after_tokens": 3})
    async with simulator("--fault-file", str(path)) as sim:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await sim.post("/v1/completions", BODY)


@pytest.mark.parametrize("stream", [True, False])
async def test_wrong_model(path: Path, stream: bool) -> None:
    write(path, {"wrong_model": "another"})
    async with simulator("--fault-file", str(path)) as sim:
        async with sim.client.post(f"{sim.url}/v1/completions", json={**BODY, "stream": stream}) as answer:
            text = await answer.text()
        assert '"model":"another"' in text
        assert '"model":"tiny"' not in text


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "",
        {"hangs": True},
        {"hang": "yes"},
        {"error_rate": 2},
        {"status": 200},
        {"first_token_delay_s": -1},
        {"wrong_model": ""},
        {"abort_after_tokens": -1},
    ],
    ids=str,
)
def test_bad_file_keeps_the_last_good_one(path: Path, bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    file = FaultFile(path)
    write(path, {"error_rate": 0.25})
    assert file.current() == Faults(error_rate=0.25)
    write(path, bad)
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        assert file.current() == file.current() == Faults(error_rate=0.25)
    assert len(caplog.records) == 1, "a bad file is logged once"
    assert "cannot be used" in caplog.text
    write(path, {"hang": True})
    assert file.current() == Faults(hang=True)


async def test_no_faults_without_the_flag(tmp_path: Path) -> None:
    assert FaultFile(None).current() == Faults()
    async with simulator(environment={"FAULT_FILE": str(tmp_path)}) as sim:
        headers = {"X-Fault": '{"error_rate": 1}'}
        status, _ = await sim.post("/v1/completions", {**BODY, "faults": {"error_rate": 1}}, headers=headers)
        assert status == 200
