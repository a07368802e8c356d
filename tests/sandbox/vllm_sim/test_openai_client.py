"""The official client of OpenAI's API finds what it expects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.sandbox.vllm_sim.support import ManualClock, simulator

KEY = "a-key-for-tests"
QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "What is a gateway?"}]


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        simulator(environment={"VLLM_API_KEY": KEY}) as sim,
        openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield client


async def test_models(client: openai.AsyncOpenAI) -> None:
    (model,) = (await client.models.list()).data
    assert (model.id, model.object, model.owned_by) == ("tiny", "model", "vllm")
    assert model.model_dump()["max_model_len"] == 1024


async def test_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=QUESTION)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content is not None
    assert choice.message.content.endswith(".")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_streamed_chat_says_the_same(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="tiny", messages=QUESTION, n=2)
    texts, reasons, usage = ["", ""], ["", ""], None
    async for chunk in await client.chat.completions.create(
        model="tiny", messages=QUESTION, n=2, stream=True, stream_options={"include_usage": True}
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or ""
        usage = chunk.usage
    assert texts == [choice.message.content for choice in whole.choices]
    assert texts[0] != texts[1]
    assert reasons == ["stop", "stop"]
    assert usage is not None
    assert whole.usage is not None
    assert usage.completion_tokens == whole.usage.completion_tokens
    assert usage.prompt_tokens == whole.usage.prompt_tokens


async def test_usage_agrees_with_tokenize(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=QUESTION)
    assert answer.usage is not None
    root = str(client.base_url).removesuffix("v1/")
    prompt = await client.post(f"{root}tokenize", body={"messages": QUESTION}, cast_to=dict[str, object])
    said = await client.post(
        f"{root}tokenize", body={"prompt": answer.choices[0].message.content}, cast_to=dict[str, object]
    )
    assert prompt["count"] == answer.usage.prompt_tokens
    # The end of the answer is a token without text.
    assert said["count"] == answer.usage.completion_tokens - 1


async def test_chat_logprobs(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="tiny", messages=QUESTION, max_tokens=12, logprobs=True, top_logprobs=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == answer.choices[0].message.content
    for token in logprobs.content:
        assert token.bytes == list(token.token.encode())
        assert [token.token, token.logprob] == [token.top_logprobs[0].token, token.top_logprobs[0].logprob]
        values = [candidate.logprob for candidate in token.top_logprobs]
        assert len({candidate.token for candidate in token.top_logprobs}) == 3
        assert values == sorted(values, reverse=True)
        assert values[0] < 0


async def test_streamed_logprobs_are_the_same(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(
        model="tiny", messages=QUESTION, max_tokens=12, logprobs=True, top_logprobs=0
    )
    streamed = []
    async for chunk in await client.chat.completions.create(
        model="tiny", messages=QUESTION, max_tokens=12, logprobs=True, top_logprobs=0, stream=True
    ):
        logprobs = chunk.choices[0].logprobs
        streamed += logprobs.content or [] if logprobs else []
    assert whole.choices[0].logprobs is not None
    assert streamed == whole.choices[0].logprobs.content
    assert streamed[0].top_logprobs == []


async def test_completion(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="tiny", prompt=["One", "Two"], n=2, max_tokens=20)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.text for choice in answer.choices}) == 4
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 80)
    assert answer.id.startswith("cmpl-")


async def test_completion_of_token_ids(client: openai.AsyncOpenAI) -> None:
    root = str(client.base_url).removesuffix("v1/")
    tokens = await client.post(f"{root}tokenize", body={"prompt": "Tell me"}, cast_to=dict[str, list[int]])
    by_ids = await client.completions.create(model="tiny", prompt=tokens["tokens"])
    by_text = await client.completions.create(model="tiny", prompt="Tell me")
    assert by_ids.choices == by_text.choices
    assert by_ids.usage == by_text.usage


async def test_streamed_completion_with_logprobs(client: openai.AsyncOpenAI) -> None:
    whole = await client.completions.create(model="tiny", prompt="Tell me", max_tokens=9, logprobs=2)
    text, usages = "", []
    offsets: list[int] = []
    tokens: list[str] = []
    async for chunk in await client.completions.create(
        model="tiny",
        prompt="Tell me",
        max_tokens=9,
        logprobs=2,
        stream=True,
        extra_body={"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    ):
        usages.append(chunk.usage)
        for choice in chunk.choices:
            text += choice.text
            assert choice.logprobs is not None
            offsets += choice.logprobs.text_offset or []
            tokens += choice.logprobs.tokens or []
    logprobs = whole.choices[0].logprobs
    assert logprobs is not None
    assert text == whole.choices[0].text == "".join(tokens)
    assert (offsets, tokens) == (logprobs.text_offset, logprobs.tokens)
    assert [len(candidates) for candidates in logprobs.top_logprobs or []] == [2] * 9
    assert [usage.completion_tokens if usage else None for usage in usages] == [*range(1, 10), 9]


async def test_stop(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="tiny", messages=QUESTION)
    text = whole.choices[0].message.content
    assert text is not None
    word = text.split()[2]
    cut = await client.chat.completions.create(model="tiny", messages=QUESTION, stop=[word])
    assert cut.choices[0].message.content == text[: text.index(word)]
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].model_dump()["stop_reason"] == word


async def test_length(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=QUESTION, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


async def test_length_without_a_wish_is_the_context(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=QUESTION, extra_body={"ignore_eos": True})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 1024


async def test_unknown_model(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="nope", messages=QUESTION)
    assert (caught.value.type, caught.value.param) == ("NotFoundError", "model")


async def test_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="tiny", messages=QUESTION, temperature=3)
    assert (caught.value.type, caught.value.param) == ("BadRequestError", "temperature")


async def test_wrong_key(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await client.with_options(api_key="another").chat.completions.create(model="tiny", messages=QUESTION)
    assert caught.value.response.json() == {"error": "Unauthorized"}


async def test_busy() -> None:
    async with (
        simulator("--max-num-queued-reqs", "0", clock=ManualClock()) as sim,
        openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="tiny", messages=QUESTION)
    assert caught.value.status_code == 503
    assert caught.value.type == "Service Unavailable"
