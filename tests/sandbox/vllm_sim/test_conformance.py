"""The imitation's answers have the shape of the recorded answers of a real vLLM."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.vllm_sim.support import Sim, simulator

RECORDINGS = Path(__file__).parent / "recordings"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Say something."}]}
OWN_VALUES = ("vllm:cache_config_info{", "python_info{")
"""Series whose label values describe the machine and the engine, and may differ."""


def shape(value: Any) -> Any:
    """Keys in order, and the types of values."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def read(name: str) -> str:
    return (RECORDINGS / name).read_text()


def compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


async def test_chat() -> None:
    async with (
        simulator() as sim,
        sim.client.post(f"{sim.url}/v1/chat/completions", json={**CHAT, "max_tokens": 8}) as answer,
    ):
        text = await answer.text()
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Served-By"] == "vllm_sim"
    said, recorded = json.loads(text), json.loads(read("chat-0.32.0.json"))
    assert shape(said) == shape(recorded)
    assert text == compact(said)
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{16}", said["id"])
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{16}", recorded["id"])
    assert re.fullmatch(r"vllm-0\.32\.0-[0-9a-f]{8}", said["system_fingerprint"])
    assert re.fullmatch(r"vllm-0\.32\.0-[0-9a-f]{8}", recorded["system_fingerprint"])
    assert said["choices"][0]["finish_reason"] == recorded["choices"][0]["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == recorded["usage"]["completion_tokens"] == 8


async def test_stream() -> None:
    body = {**CHAT, "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}}
    async with simulator() as sim, sim.client.post(f"{sim.url}/v1/chat/completions", json=body) as answer:
        said = await answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    events, recorded = split_events(said), split_events(read("chat-stream-0.32.0.sse").encode())
    assert [shape(event) for event in events] == [shape(event) for event in recorded]
    assert len({event["id"] for event in events}) == 1


def split_events(stream: bytes) -> list[Any]:
    """The events of a stream whose bytes are framed exactly as vLLM frames them."""
    *frames, done, rest = stream.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    events = []
    for frame in frames:
        assert frame.startswith(b"data: {")
        events.append(json.loads(frame.removeprefix(b"data: ")))
        assert len(frame.splitlines()) == 1
        assert b'": ' not in frame
        assert b', "' not in frame
    return events


async def test_context_error() -> None:
    async with simulator() as sim:
        status, said = await sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 99999})
    assert status == 400
    assert compact(said) == read("error-context-0.32.0.json")


async def test_unknown_model_error() -> None:
    async with simulator() as sim:
        status, said = await sim.post("/v1/chat/completions", {**CHAT, "model": "nope"})
    assert status == 404
    assert compact(said) == read("error-unknown-model-0.32.0.json")


async def metrics_after_some_traffic(sim: Sim) -> list[str]:
    await sim.get("/v1/models")
    await sim.post("/v1/chat/completions", {**CHAT, "max_tokens": 8})
    _, text = await sim.get("/metrics")
    return text.splitlines()


async def test_metric_families() -> None:
    """Name, help text and type of every family, in the same order."""
    async with simulator() as sim:
        said = await metrics_after_some_traffic(sim)
    recorded = read("metrics-0.32.0.prom").splitlines()
    assert [line for line in said if line.startswith("#")] == [line for line in recorded if line.startswith("#")]


async def test_metric_series() -> None:
    """Every series with its labels, and their values where those are not the machine's own; buckets included."""
    async with simulator() as sim:
        said = await metrics_after_some_traffic(sim)
    assert [series(line) for line in said] == [series(line) for line in read("metrics-0.32.0.prom").splitlines()]


def series(line: str) -> str:
    name = line.rpartition(" ")[0]
    return re.sub(r'="[^"]*"', "", name) if name.startswith(OWN_VALUES) else name


@pytest.mark.parametrize("line", read("all-routes-0.32.0.txt").splitlines())
async def test_routes(line: str) -> None:
    path, _, methods = line.partition(", Methods: ")
    async with simulator() as sim:
        for method in methods.split(", "):
            async with sim.client.request(method, sim.url + path.replace("{response_id}", "resp_1")) as answer:
                assert answer.status not in (404, 405)


async def test_only_those_routes() -> None:
    async with simulator() as sim:
        _, text = await sim.get("/openapi.json")
    announced = {path for path, _, _ in (line.partition(", ") for line in read("all-routes-0.32.0.txt").splitlines())}
    documentation = {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
    assert set(json.loads(text)["paths"]) == announced - documentation
