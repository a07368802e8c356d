"""The API key guards what vLLM's key guards, and nothing else."""

from __future__ import annotations

import pytest

from sandbox.vllm_sim.auth import ApiKey
from tests.sandbox.vllm_sim.support import simulator

KEY = "a-key-for-tests"

GUARDED = ["/v1/models", "/v1/chat/completions", "/v1", "/v1x", "/v2/anything", "/inference/v1/generate", "/cohere/v2"]
OPEN = ["/health", "/metrics", "/tokenize", "/invocations", "/docs", "/openapi.json", "/version", "/load", "/", "/V1"]


@pytest.mark.parametrize("path", GUARDED)
def test_guarded(path: str) -> None:
    key = ApiKey(KEY)
    assert key.allows("POST", path, f"Bearer {KEY}")
    assert key.allows("POST", path, f"bearer {KEY}")
    assert key.allows("OPTIONS", path, None)
    for wrong in (
        None,
        "",
        KEY,
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        "Bearer",
        "Bearer ",
        f"Bearer  {KEY}",
        "Bearer \udcff",
    ):
        assert not key.allows("POST", path, wrong), wrong


@pytest.mark.parametrize("path", OPEN)
def test_open(path: str) -> None:
    assert ApiKey(KEY).allows("GET", path, None)


@pytest.mark.parametrize("none", [None, ""])
def test_no_key(none: str | None) -> None:
    assert ApiKey(none).allows("POST", "/v1/models", None)


async def test_over_http() -> None:
    async with simulator(environment={"VLLM_API_KEY": KEY}) as sim:
        for path in ("/v1/models", "/v1/no-such-path"):
            async with sim.client.get(sim.url + path) as answer:
                assert answer.status == 401
                assert await answer.text() == '{"error":"Unauthorized"}'
                assert answer.headers["X-Served-By"] == "vllm_sim"
        with pytest.raises(LookupError):
            await sim.metric("http_requests_total", method="GET", status="4xx", handler="/v1/models")
        async with sim.client.get(f"{sim.url}/v1/models", headers={"Authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status == 200
        # The holes that a proxy must close: a whole answer without a key.
        status, said = await sim.post(
            "/invocations", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
        )
        assert (status, said["object"]) == (200, "chat.completion")
        status, said = await sim.post("/invocations", {"prompt": "Hi"})
        assert (status, said["object"]) == (200, "text_completion")
        assert (await sim.post("/tokenize", {"prompt": "Hi"}))[0] == 200
        assert (await sim.get("/metrics"))[0] == 200
