"""Embeddings: what the official client finds, how long they take, and what is refused."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import openai
import pytest

from sandbox.vllm_sim.embedding import vector
from sandbox.vllm_sim.tokenizer import encode
from tests.sandbox.vllm_sim.support import simulator

POOLING = ("--runner", "pooling", "--embedding-width", "64")


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        simulator(*POOLING, environment={"VLLM_API_KEY": "key"}) as sim,
        openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="key", max_retries=0) as client,
    ):
        yield client


async def test_one_text(client: openai.AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="tiny", input="What is a gateway?")
    (one,) = answer.data
    assert len(one.embedding) == 64
    assert math.isclose(sum(number * number for number in one.embedding), 1, rel_tol=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == len(encode("What is a gateway?"))


async def test_several_texts_in_their_order(client: openai.AsyncOpenAI) -> None:
    texts = ["first", "second", "first"]
    answer = await client.embeddings.create(model="tiny", input=texts, encoding_format="float")
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.data[0].embedding == answer.data[2].embedding != answer.data[1].embedding


async def test_base64_says_the_same(client: openai.AsyncOpenAI) -> None:
    """The client asks for base64 unless told otherwise, and decodes it."""
    packed = await client.embeddings.create(model="tiny", input="text")
    plain = await client.embeddings.create(model="tiny", input="text", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)


async def test_fewer_dimensions(client: openai.AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="tiny", input="text", dimensions=16)
    assert len(answer.data[0].embedding) == 16


@pytest.mark.parametrize("body", [{}, {"input": "x" * 10_000}, {"input": "x", "dimensions": 65}, {"input": [{}]}])
async def test_refused(client: openai.AsyncOpenAI, body: dict[str, object]) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.post("/embeddings", body={"model": "tiny", **body}, cast_to=object)


async def test_unknown_model(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model="other", input="text")


async def test_it_generates_nothing(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}])


async def test_a_generating_server_embeds_nothing() -> None:
    async with simulator() as sim, openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="k", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="tiny", input="text")


def test_texts_with_words_in_common_lie_nearer() -> None:
    def near(one: str, other: str) -> float:
        pairs = zip(vector(encode(one), 128, 0), vector(encode(other), 128, 0), strict=True)
        return sum(a * b for a, b in pairs)

    assert near("the cat sat on the mat", "the cat lay on the mat") > near("the cat sat on the mat", "quarterly report")
