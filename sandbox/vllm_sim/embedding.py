"""Embeddings: vectors made up from the tokens of a text, at the pace at which the engine would read it."""

from __future__ import annotations

import base64
import math
import random
import secrets
import struct
import time
from functools import lru_cache
from typing import Any, Literal

import msgspec
from aiohttp import web

from sandbox.vllm_sim.decoding import decode, missing
from sandbox.vllm_sim.engine import Engine, EngineDeadError, Outbox
from sandbox.vllm_sim.errors import internal, malformed
from sandbox.vllm_sim.generation import Generator
from sandbox.vllm_sim.options import Options
from sandbox.vllm_sim.prompts import completion_prompts
from sandbox.vllm_sim.responses import Embedding, EmbeddingList, EmbeddingUsage
from sandbox.vllm_sim.sampling import Token
from sandbox.vllm_sim.scheduler import Sequence
from sandbox.vllm_sim.tokenizer import EOS
from sandbox.vllm_sim.wire import json_response


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`: the fields of vLLM's that are known here."""

    model: str | None = None
    input: str | list[Any] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class Embedder:
    """Serves embeddings.

    Args:
        options: what the server is to be.
        engine: takes the time that reading takes.
        generator: knows which models are served, and what goes wrong.

    """

    def __init__(self, options: Options, engine: Engine, generator: Generator) -> None:
        self._options = options
        self._engine = engine
        self._generator = generator

    async def embed(self, request: web.Request) -> web.Response:
        """`POST /v1/embeddings`."""
        arrived = self._engine.clock.now()
        parsed = decode(await request.read(), request.content_type, EmbeddingRequest)
        if parsed.input is None:
            raise missing("input")
        width = self._width(parsed.dimensions)
        self._generator.admit(parsed.model, 1)
        prompts = completion_prompts(parsed.input, self._options.max_model_len)
        await self._read(prompts, arrived)
        data = [
            Embedding(index, _written(vector(tokens, width, self._options.seed), parsed.encoding_format))
            for index, tokens in enumerate(prompts)
        ]
        count = sum(len(tokens) for tokens in prompts)
        return json_response(
            EmbeddingList(
                id=f"embd-{secrets.token_hex(16)}",
                created=int(time.time()),
                model=self._options.models[0],
                data=data,
                usage=EmbeddingUsage(prompt_tokens=count, total_tokens=count),
            )
        )

    def _width(self, wanted: int | None) -> int:
        most = self._options.embedding_width
        if wanted is None:
            return most
        if not 1 <= wanted <= most:
            raise malformed(f"dimensions must be between 1 and {most}, got {wanted}", "body.dimensions")
        return wanted

    async def _read(self, prompts: list[list[int]], arrived: float) -> None:
        """Let the engine read every text; one empty token stands for the end of each."""
        outbox = Outbox(len(prompts))
        end = Token(EOS, "", "stop")
        generations = [
            self._engine.submit(
                [Sequence(index=index, prompt_tokens=len(tokens), tokens=iter((end,)), arrived=arrived)],
                outbox,
                max_tokens=1,
            )
            for index, tokens in enumerate(prompts)
        ]
        try:
            async for _ in outbox.batches():
                pass
        except EngineDeadError as error:
            raise internal() from error
        finally:
            for generation in generations:
                self._engine.abort(generation)


def vector(tokens: list[int], width: int, seed: int) -> list[float]:
    """Return a vector of length 1: the sum of its tokens' own, so texts with words in common lie near each other."""
    total = [0.0] * width
    for token in tokens:
        total = [a + b for a, b in zip(total, _direction(token, width, seed), strict=True)]
    length = math.sqrt(sum(number * number for number in total)) or 1.0
    return [number / length for number in total]


@lru_cache(maxsize=4096)
def _direction(token: int, width: int, seed: int) -> tuple[float, ...]:
    chance = random.Random(f"{seed}/{token}")  # noqa: S311  # makes a direction up, no secret
    return tuple(chance.gauss(0, 1) for _ in range(width))


def _written(numbers: list[float], encoding: Literal["float", "base64"]) -> list[float] | str:
    if encoding == "float":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
