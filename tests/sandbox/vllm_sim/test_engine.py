"""The engine behind the server: timing, queue, slots, metrics and clients that go away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.vllm_sim.support import ManualClock, VirtualClock, simulator

RATES = (
    "--prefill-tokens-per-second", "100", "--decode-step-seconds", "0.5", "--decode-step-per-sequence-seconds", "0.25",
)  # fmt: skip


def prompt(tokens: int, **options: Any) -> dict[str, Any]:
    """A completion request whose prompt has so many tokens."""
    return {"prompt": "." * tokens, "max_tokens": 4, "ignore_eos": True, **options}


async def test_timing_of_one_request() -> None:
    """100 tokens at 100 a second, then three steps of half a second: what the metrics say is exact."""
    async with simulator(*RATES, clock=VirtualClock()) as sim:
        await sim.post("/v1/completions", prompt(100))
        for series, value in {
            "vllm:time_to_first_token_seconds_sum": 1.0,
            "vllm:inter_token_latency_seconds_sum": 1.5,
            "vllm:inter_token_latency_seconds_count": 3,
            "vllm:e2e_request_latency_seconds_sum": 2.5,
            "vllm:request_queue_time_seconds_sum": 0,
            "vllm:request_prefill_time_seconds_sum": 1.0,
            "vllm:request_decode_time_seconds_sum": 1.5,
            "vllm:request_inference_time_seconds_sum": 2.5,
            "vllm:request_time_per_output_token_seconds_sum": 0.5,
            "vllm:prompt_tokens_total": 100,
            "vllm:generation_tokens_total": 4,
            "vllm:request_prompt_tokens_sum": 100,
            "vllm:request_generation_tokens_sum": 4,
            "vllm:request_params_max_tokens_sum": 4,
            "vllm:request_max_num_generation_tokens_sum": 4,
            "vllm:iteration_tokens_total_count": 4,
            "vllm:iteration_tokens_total_sum": 104,
            "vllm:request_prefill_kv_computed_tokens_sum": 100,
            "vllm:num_requests_running": 0,
            "vllm:kv_cache_usage_perc": 0,
        }.items():
            assert await sim.metric(series) == pytest.approx(value), series
        assert await sim.metric("vllm:prompt_tokens_by_source_total", source="local_compute") == 100
        assert await sim.metric("vllm:request_success_total", finished_reason="length") == 1


async def test_tokens_arrive_when_they_are_ready() -> None:
    """Head at once, first token after the prompt's time, each other one a step later."""
    clock = ManualClock()
    async with (
        simulator(*RATES, clock=clock) as sim,
        sim.client.post(f"{sim.url}/v1/completions", json=prompt(100, stream=True)) as answer,
    ):
        assert answer.status == 200
        await sim.until(1, "vllm:num_requests_running")
        for seconds in (1.0, 0.5, 0.5, 0.5):
            await clock.advance(seconds - 0.01)
            reading = asyncio.create_task(next_event(answer))
            assert not (await asyncio.wait([reading], timeout=0.02))[0]
            await clock.advance(0.01)
            assert (await reading)["object"] == "text_completion"


async def test_late_wakes_do_not_add_up() -> None:
    """Each of 101 waits ends 5 ms late; the last token is not later than that."""
    async with simulator(*RATES, clock=VirtualClock(late=0.005)) as sim:
        await sim.post("/v1/completions", prompt(100, max_tokens=101))
        assert await sim.metric("vllm:e2e_request_latency_seconds_sum") == pytest.approx(51, abs=0.006)


async def next_event(answer: aiohttp.ClientResponse) -> Any:
    line = await answer.content.readline()
    await answer.content.readline()
    return json.loads(line.removeprefix(b"data: "))


async def test_n_choices_share_the_batch() -> None:
    async with simulator(*RATES, clock=VirtualClock()) as sim:
        await sim.post("/v1/completions", prompt(10, n=3))
        assert await sim.metric("vllm:inter_token_latency_seconds_sum") == pytest.approx(9 * (0.5 + 2 * 0.25))
        assert await sim.metric("vllm:request_params_n_sum") == 3
        assert await sim.metric("vllm:request_params_n_count") == 1
        assert await sim.metric("vllm:request_success_total", finished_reason="length") == 3


async def test_waiting_and_kv_cache_are_told() -> None:
    clock = ManualClock()
    async with simulator(*RATES, "--max-num-seqs", "2", "--kv-cache-tokens", "2048", clock=clock) as sim:
        waiting = [asyncio.create_task(sim.post("/v1/completions", prompt(512))) for _ in range(3)]
        await sim.until(1, "vllm:num_requests_waiting")
        assert await sim.metric("vllm:num_requests_waiting_by_reason", reason="capacity") == 1
        assert await sim.metric("vllm:num_requests_running") == 2
        assert await sim.metric("vllm:kv_cache_usage_perc") == 0.5
        assert json.loads((await sim.get("/load"))[1]) == {"server_load": 3}
        await clock.advance(100)
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 3
        assert await sim.metric("vllm:num_requests_waiting") == 0


async def test_preemptions_are_counted() -> None:
    arguments = ("--max-model-len", "200", "--kv-cache-tokens", "202")
    async with simulator(*RATES, *arguments, clock=VirtualClock()) as sim:
        status, _ = await sim.post("/v1/completions", prompt(100, n=2, max_tokens=10))
        assert status == 200
        assert await sim.metric("vllm:num_preemptions_total") == 1
        assert await sim.metric("vllm:request_num_preemptions_sum") == 1


async def test_queue_limit() -> None:
    """Counts running requests too, and every choice; refused at once with 503, and counted."""
    clock = ManualClock()
    async with simulator("--max-num-queued-reqs", "3", clock=clock) as sim:
        first = asyncio.create_task(sim.post("/v1/completions", prompt(10, n=2)))
        await sim.until(2, "vllm:num_requests_running")
        status, refused = await sim.post("/v1/completions", prompt(10, n=2, stream=True))
        assert status == 503
        assert refused["error"] == {
            "message": "The engine is currently busy and cannot accept new requests. "
            "Please try again later or on a different instance.",
            "type": "Service Unavailable",
            "param": None,
            "code": 503,
        }
        assert await sim.metric("vllm:admission_rejections_total", reason="max_num_queued_reqs") == 1
        accepted = asyncio.create_task(sim.post("/v1/completions", prompt(10)))
        await sim.until(1, "vllm:num_requests_waiting")
        await clock.advance(100)
        assert [status for status, _ in await asyncio.gather(first, accepted)] == [200, 200]


async def test_queued_token_limit() -> None:
    clock = ManualClock()
    async with simulator("--max-num-queued-tokens", "100", clock=clock) as sim:
        first = asyncio.create_task(sim.post("/v1/completions", prompt(100)))
        await sim.until(1, "vllm:num_requests_running")
        status, refused = await sim.post("/v1/completions", prompt(1))
        assert status == 503
        assert refused["error"]["message"].startswith("The engine has reached its prefill token backlog limit.")
        assert await sim.metric("vllm:admission_rejections_total", reason="max_num_queued_tokens") == 1
        await clock.advance(100)
        assert (await first)[0] == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_its_slot(stream: bool) -> None:
    clock = ManualClock()
    async with simulator("--max-num-seqs", "1", clock=clock) as sim:
        gone = asyncio.create_task(sim.post("/v1/completions", prompt(10, n=2, max_tokens=500, stream=stream)))
        await sim.until(1, "vllm:num_requests_running")
        stays = asyncio.create_task(sim.post("/v1/completions", prompt(10)))
        await sim.until(2, "vllm:num_requests_waiting")
        gone.cancel()
        await sim.until(2, "vllm:request_success_total", finished_reason="abort")
        await clock.advance(1)
        assert (await stays)[0] == 200
        assert await sim.metric("vllm:num_requests_running") == 0
        assert await sim.metric("vllm:kv_cache_usage_perc") == 0


async def test_same_request_same_answer_on_another_server() -> None:
    answers = []
    for seed in ("1", "1", "2"):
        async with simulator("--seed", seed) as sim:
            _, answer = await sim.post("/v1/completions", prompt(10, max_tokens=50))
            answers.append(answer["choices"][0]["text"])
    assert answers[0] == answers[1] != answers[2]


async def test_a_dead_engine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the loop fails, waiting requests get 500, later ones too, and the health check says 503."""

    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    async with simulator() as sim:
        monkeypatch.setattr("sandbox.vllm_sim.scheduler.Scheduler.plan", fail)
        assert (await sim.get("/health"))[0] == 200
        for _ in range(2):
            status, said = await sim.post("/v1/completions", prompt(10))
            assert (status, said["error"]["type"]) == (500, "InternalServerError")
        assert (await sim.get("/health"))[0] == 503


async def test_a_dead_engine_is_told_in_mid_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    async with simulator() as sim:
        monkeypatch.setattr("sandbox.vllm_sim.scheduler.Scheduler.complete", fail)
        async with sim.client.post(f"{sim.url}/v1/completions", json=prompt(10, stream=True)) as answer:
            text = await answer.text()
    assert '"code":500' in text
    assert text.endswith("data: [DONE]\n\n")
