"""What is refused, in which words; what is accepted; and the small routes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.vllm_sim.tokenizer import EOS
from tests.sandbox.vllm_sim.support import simulator

CASES = json.loads((Path(__file__).parent / "cases" / "refused.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
async def test_refused(case: dict[str, Any]) -> None:
    body = case["raw"].encode() if "raw" in case else json.dumps(case["body"]).encode()
    headers = {"Content-Type": case.get("content_type", "application/json")}
    async with simulator() as sim, sim.client.post(sim.url + case["path"], data=body, headers=headers) as answer:
        error = (await answer.json())["error"]
        assert answer.status == error["code"] == case.get("status", 400)
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["param"], error["message"]) == (case["type"], case["param"], case["message"])


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "max_tokens": "5", "temperature": "0.5", "stream": "false"},
        {"messages": [{"role": "user", "content": "x"}], "n": None, "stop": None, "seed": None, "top_logprobs": None},
        {"messages": [{"role": "user", "content": "x"}], "no_such_field": {"a": 1}, "user": "someone"},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}], "tool_choice": "none"},
        {"messages": [{"role": "user", "content": "x"}], "model": None},
        {"messages": [{"role": "user", "content": "é😀\u0000"}]},
    ],
    ids=str,
)
async def test_accepted(body: dict[str, Any]) -> None:
    async with simulator() as sim:
        status, said = await sim.post("/v1/chat/completions", body)
    assert status == 200, said


async def test_a_prompt_that_just_fits() -> None:
    async with simulator() as sim:
        status, said = await sim.post("/v1/completions", {"prompt": "." * 1023, "max_tokens": 50})
        assert status == 200
        assert said["usage"] == {
            "prompt_tokens": 1023,
            "total_tokens": 1024,
            "completion_tokens": 1,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        }


async def test_token_ids_that_do_not_fit() -> None:
    """Unlike a text, which is cut while it is read, token ids are counted."""
    async with simulator() as sim:
        _, said = await sim.post("/v1/completions", {"prompt": [300] * 2000})
        assert "your prompt contains 2000 input tokens" in said["error"]["message"]
        _, said = await sim.post("/v1/completions", {"prompt": "a" * 6145})
        assert "your prompt contains 6145 characters (more than 6144 characters" in said["error"]["message"]


async def test_any_served_name_will_do() -> None:
    async with simulator("--served-model-name", "first", "second") as sim:
        _, said = await sim.post("/v1/completions", {"prompt": "x", "model": "second"})
        assert said["model"] == "first"
        _, models = await sim.get("/v1/models")
        assert [model["id"] for model in json.loads(models)["data"]] == ["first", "second"]
        _, refused = await sim.post("/v1/completions", {"prompt": "x", "model": "third"})
        assert refused["error"]["message"] == "The model `third` does not exist. Valid aliases: first, second."


async def test_tokenize_and_back() -> None:
    async with simulator() as sim:
        _, tokens = await sim.post("/tokenize", {"prompt": "Hello there", "return_token_strs": True})
        assert list(tokens) == ["count", "max_model_len", "tokens", "token_strs"]
        assert (tokens["count"], tokens["max_model_len"], tokens["token_strs"]) == (2, 1024, ["Hello", " there"])
        _, text = await sim.post("/detokenize", {"tokens": [*tokens["tokens"], EOS]})
        assert text == {"prompt": "Hello there"}


async def test_request_id() -> None:
    """A given id names the answer; it is repeated in a header only where that is switched on."""
    headers = {"X-Request-Id": "mine"}
    async with (
        simulator() as sim,
        sim.client.post(f"{sim.url}/v1/completions", json={"prompt": "x"}, headers=headers) as answer,
    ):
        assert (await answer.json())["id"] == "cmpl-mine"
        assert "X-Request-Id" not in answer.headers
    async with simulator("--enable-request-id-headers") as sim:
        async with sim.client.get(f"{sim.url}/health", headers=headers) as answer:
            assert answer.headers["X-Request-Id"] == "mine"
        async with sim.client.get(f"{sim.url}/health") as answer:
            assert len(answer.headers["X-Request-Id"]) == 32


async def test_routing_errors_are_those_of_fastapi() -> None:
    async with simulator() as sim:
        assert await sim.get("/no/such/path") == (404, '{"detail":"Not Found"}')
        assert await sim.get("/v1/completions") == (405, '{"detail":"Method Not Allowed"}')
        async with sim.client.post(f"{sim.url}/v1/models") as answer:
            assert answer.headers["Allow"] == "GET"
        async with sim.client.head(f"{sim.url}/health") as answer:
            assert answer.status == 405
        assert await sim.metric("http_requests_total", method="GET", status="4xx", handler="none") == 2


async def test_probes_are_not_counted() -> None:
    async with simulator() as sim:
        for path in ("/health", "/metrics", "/load", "/ping", "/version"):
            assert (await sim.get(path))[0] == 200
        _, text = await sim.get("/metrics")
    assert "http_requests_total{" not in text


async def test_too_large_a_body() -> None:
    async with (
        simulator() as sim,
        sim.client.post(f"{sim.url}/tokenize", data=io.BytesIO(b" " * (64 * 2**20 + 1))) as answer,
    ):
        assert answer.status == 413
