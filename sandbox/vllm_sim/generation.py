"""From a request to an answer: checks, prompt, engine, faults, and a whole or streamed response."""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from sandbox.vllm_sim import IMITATED_VERSION, rules, wire
from sandbox.vllm_sim.decoding import decode
from sandbox.vllm_sim.engine import Engine, EngineDeadError, Outbox
from sandbox.vllm_sim.errors import internal, unknown_model
from sandbox.vllm_sim.faults import FaultFile, Faults
from sandbox.vllm_sim.options import Options
from sandbox.vllm_sim.prompts import completion_prompts, render, text_prompt
from sandbox.vllm_sim.protocol import ChatRequest, CompletionRequest, GenerationRequest
from sandbox.vllm_sim.reply import ChatReply, Choice, CompletionReply, Heading, Reply, UsageWanted
from sandbox.vllm_sim.sampling import SamplingParams, Token, sample
from sandbox.vllm_sim.scheduler import Sequence
from sandbox.vllm_sim.text import generate

_COMPLETION_TOKENS = 16
"""Tokens of a plain completion that does not say how many it wants."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt and what ends each of its choices."""

    tokens: list[int]
    params: SamplingParams


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request that has passed all checks.

    Attributes:
        prompts: what to answer.
        choices: answers to each prompt.
        seed: the request's own seed.
        stream: answer in chunks.
        reply: writes the answer down.
        faults: what goes wrong with it.
        arrived: when it came in, on the engine's clock.

    """

    prompts: list[Prompt]
    choices: int
    seed: int | None
    stream: bool
    reply: Reply
    faults: Faults
    arrived: float


class Generator:
    """Serves chats and plain completions.

    Args:
        options: what the server is to be.
        engine: gives the tokens, at its pace.
        faults: what goes wrong.

    """

    def __init__(self, options: Options, engine: Engine, faults: FaultFile) -> None:
        self._options = options
        self._engine = engine
        self._faults = faults
        self._chance = random.Random(options.seed)  # noqa: S311  # chooses which requests fail, no secret
        digest = hashlib.sha256(f"{options.models[0]}/{options.seed}".encode()).hexdigest()
        self._fingerprint = f"vllm-{IMITATED_VERSION}-{digest[:8]}"

    def check_model(self, name: str | None) -> None:
        """Raise ApiError if a request names a model that is not served. It need not name one."""
        if name and name not in self._options.models:
            raise unknown_model(name, self._options.models)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`."""
        arrived = self._engine.clock.now()
        parsed = decode(await request.read(), request.content_type, ChatRequest)
        rules.check_chat(parsed)
        faults = self.admit(parsed.model, parsed.n or 1)
        longest = self._options.max_model_len
        name, wanted = "max_completion_tokens", parsed.max_completion_tokens
        if wanted is None:
            name, wanted = "max_tokens", parsed.max_tokens
        rules.check_output_length(name, wanted, longest)
        rules.check_content(parsed)
        top = (parsed.top_logprobs or 0) if parsed.logprobs else None
        prompt = self._prompt(parsed, text_prompt(render(parsed.messages), longest), wanted, top)
        choices = parsed.n or 1
        reply = ChatReply(
            self._heading("chatcmpl", request, parsed, faults),
            _usage_wanted(parsed),
            [Choice(len(prompt.tokens)) for _ in range(choices)],
            top,
        )
        return await self._respond(request, _job(parsed, [prompt], reply, faults, arrived))

    async def completion(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/completions`."""
        arrived = self._engine.clock.now()
        parsed = decode(await request.read(), request.content_type, CompletionRequest)
        asked = rules.check_completion(parsed)
        faults = self.admit(parsed.model, parsed.n or 1)
        longest = self._options.max_model_len
        wanted = _COMPLETION_TOKENS if parsed.max_tokens is None else parsed.max_tokens
        rules.check_output_length("max_tokens", wanted, longest)
        prompts = [
            self._prompt(parsed, tokens, wanted, parsed.logprobs) for tokens in completion_prompts(asked, longest)
        ]
        choices = parsed.n or 1
        reply = CompletionReply(
            self._heading("cmpl", request, parsed, faults),
            _usage_wanted(parsed),
            [Choice(len(prompt.tokens)) for prompt in prompts for _ in range(choices)],
            choices,
            parsed.logprobs,
        )
        return await self._respond(request, _job(parsed, prompts, reply, faults, arrived))

    def admit(self, model: str | None, sequences: int) -> Faults:
        """Look up the model, let faults strike, and check the queue limits.

        Raises:
            ApiError: the model is not served, a fault strikes, or the queue is full.

        """
        self.check_model(model)
        faults = self._faults.current()
        if self._chance.random() < faults.error_rate:
            raise internal(faults.status)
        if self._engine.dead:
            raise internal()
        self._engine.admit(sequences)
        return faults

    def _prompt(self, parsed: GenerationRequest, tokens: list[int], wanted: int | None, logprobs: int | None) -> Prompt:
        left = self._options.max_model_len - len(tokens)
        params = rules.sampling_params(parsed, left if wanted is None else min(wanted, left), logprobs)
        return Prompt(tokens=tokens, params=params)

    def _heading(self, prefix: str, request: web.Request, parsed: GenerationRequest, faults: Faults) -> Heading:
        base = request.headers.get("X-Request-Id") or parsed.request_id or secrets.token_hex(8)
        return Heading(
            id=f"{prefix}-{base}",
            created=int(time.time()),
            model=faults.wrong_model or self._options.models[0],
            fingerprint=self._fingerprint,
        )

    async def _respond(self, request: web.Request, job: Job) -> web.StreamResponse:
        if job.stream:
            return await self._stream(request, job)
        try:
            async with aclosing(self._tokens(request, job)) as batches:
                async for batch in batches:
                    for index, token in batch:
                        job.reply.choices[index].add(token)
        except EngineDeadError as error:
            raise internal() from error
        return wire.json_response(job.reply.whole())

    async def _stream(self, request: web.Request, job: Job) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": wire.EVENT_STREAM})
        await response.prepare(request)
        begun = False
        try:
            async with aclosing(self._tokens(request, job)) as batches:
                async for batch in batches:
                    chunks = [job.reply.chunk(index, token) for index, token in batch]
                    if not begun:
                        chunks = [*job.reply.opening(), *chunks]
                        begun = True
                    await response.write(b"".join(map(wire.event, chunks)))
            if job.reply.wanted.at_end:
                await response.write(wire.event(job.reply.usage()))
        except EngineDeadError:
            await response.write(wire.event(internal().body))
        await response.write(wire.DONE)
        await response.write_eof()
        return response

    async def _tokens(self, request: web.Request, job: Job) -> AsyncGenerator[list[tuple[int, Token]]]:
        """Give the job's tokens as the engine does. Whoever stops asking aborts what is left."""
        if job.faults.first_token_delay_s:
            await self._engine.clock.sleep_until(job.arrived + job.faults.first_token_delay_s)
        outbox = Outbox(len(job.reply.choices))
        generations = [
            self._engine.submit(self._sequences(job, number), outbox, max_tokens=prompt.params.max_tokens)
            for number, prompt in enumerate(job.prompts)
        ]
        left = job.faults.abort_after_tokens
        try:
            async for batch in outbox.batches():
                if left is None:
                    yield batch
                    continue
                if left:
                    yield batch[:left]
                left = max(0, left - len(batch))
                if not left:
                    await _cut_off(request)
        finally:
            for generation in generations:
                self._engine.abort(generation)

    def _sequences(self, job: Job, number: int) -> list[Sequence]:
        """Fix what each choice of one prompt will say."""
        prompt = job.prompts[number]
        return [
            Sequence(
                index=number * job.choices + choice,
                prompt_tokens=len(prompt.tokens),
                tokens=sample(
                    generate(prompt.tokens, seed=self._options.seed, request_seed=job.seed, index=choice), prompt.params
                ),
                arrived=job.arrived,
            )
            for choice in range(job.choices)
        ]


def _job(parsed: GenerationRequest, prompts: list[Prompt], reply: Reply, faults: Faults, arrived: float) -> Job:
    return Job(
        prompts=prompts,
        choices=parsed.n or 1,
        seed=parsed.seed,
        stream=bool(parsed.stream),
        reply=reply,
        faults=faults,
        arrived=arrived,
    )


def _usage_wanted(parsed: GenerationRequest) -> UsageWanted:
    options = parsed.stream_options
    at_end = options is not None and bool(options.include_usage)
    return UsageWanted(at_end=at_end, always=at_end and options is not None and bool(options.continuous_usage_stats))


async def _cut_off(request: web.Request) -> None:
    """Drop the connection; the server cancels this task when it is gone."""
    if request.transport is not None:
        request.transport.abort()
    await asyncio.Event().wait()
