"""The engine's scheduler: which sequences a step computes, and how long the step takes. Pure: no clock, no waiting.

After vLLM's own scheduler: waiting sequences are admitted first come, first served, while there is a slot
(`max_num_seqs`) and room in the KV cache. A step gives one token to every sequence that decodes and spends what is left
of its token budget (`max_num_batched_tokens`) on prompts, so that a long prompt is computed in chunks between decodes.
When a decoding sequence finds no room, the sequence admitted last is preempted: its KV cache is freed, it goes back to
the head of the queue, and is computed again later.

A step lasts

    prompt tokens / prefill_tokens_per_second
    + decode_step_seconds + (decoding sequences - 1) * decode_step_per_sequence_seconds    if any decodes

so that the time to first token grows with the prompt and the queue, and the time between tokens with the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.vllm_sim.sampling import Token


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """Sizes and rates of the imitated engine.

    Attributes:
        max_num_seqs: most sequences that run at once.
        max_num_batched_tokens: most tokens computed in one step; no fewer than `max_num_seqs`.
        kv_cache_tokens: tokens the KV cache holds; no less than the longest sequence needs.
        prefill_tokens_per_second: prompt tokens computed per second of engine time; may be infinite.
        decode_step_seconds: length of a step that decodes one sequence.
        decode_step_per_sequence_seconds: what each further sequence adds to it.

    """

    max_num_seqs: int
    max_num_batched_tokens: int
    kv_cache_tokens: int
    prefill_tokens_per_second: float
    decode_step_seconds: float
    decode_step_per_sequence_seconds: float


@dataclass(eq=False, slots=True, kw_only=True)
class Sequence:
    """One of the sequences of a request, as the scheduler sees it.

    Attributes:
        index: which of its request's sequences this is.
        prompt_tokens: length of the prompt.
        tokens: what it will say; the last token carries the finish reason.
        arrived: when the request arrived, in seconds of the engine's clock, as all times here.
        scheduled: when its first chunk was scheduled; 0 before.
        first_token: when its first token was ready; 0 before.
        last_token: when its newest token was ready; 0 before.
        generated: tokens generated so far.
        to_compute: tokens to prefill: the prompt and, after a preemption, what was generated.
        computed: tokens of those that are prefilled.
        kv_tokens: tokens it holds in the KV cache.
        preemptions: how often it was preempted.

    """

    index: int
    prompt_tokens: int
    tokens: Iterator[Token]
    arrived: float
    scheduled: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    generated: int = 0
    to_compute: int = field(init=False)
    computed: int = 0
    kv_tokens: int = 0
    preemptions: int = 0

    def __post_init__(self) -> None:
        self.to_compute = self.prompt_tokens

    @property
    def decodes(self) -> bool:
        """Its prompt is computed."""
        return self.computed == self.to_compute


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the engine.

    Attributes:
        prefill: sequences and how many of their prompt tokens the step computes.
        decode: sequences that get their next token.
        preempted: sequences that lost their place to make room for this step.
        duration: seconds the step takes.

    """

    prefill: tuple[tuple[Sequence, int], ...]
    decode: tuple[Sequence, ...]
    preempted: tuple[Sequence, ...]
    duration: float


@dataclass(frozen=True, slots=True)
class Emission:
    """A token that a step gave.

    Attributes:
        sequence: whose token it is.
        token: the token.
        gap: seconds since that sequence's token before; none for its first.

    """

    sequence: Sequence
    token: Token
    gap: float | None


class Scheduler:
    """Waiting and running sequences, and the KV cache they share."""

    def __init__(self, limits: EngineLimits) -> None:
        self.limits = limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.kv_tokens = 0

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self.waiting and not self.running

    @property
    def unfinished(self) -> int:
        """Sequences that wait or run."""
        return len(self.waiting) + len(self.running)

    @property
    def queued_prompt_tokens(self) -> int:
        """Prompt tokens of all sequences that have not given their first token."""
        return sum(s.prompt_tokens for s in (*self.waiting, *self.running) if not s.generated)

    def submit(self, sequence: Sequence) -> None:
        """Put a sequence at the end of the queue."""
        self.waiting.append(sequence)

    def abort(self, sequence: Sequence) -> bool:
        """Forget a sequence, wherever it is; say whether it was there."""
        if sequence in self.running:
            self._leave(sequence)
            return True
        if sequence in self.waiting:
            self.waiting.remove(sequence)
            return True
        return False

    def plan(self, now: float) -> Step:
        """Choose what the next step computes, and admit what fits. Call only when not `idle`."""
        preempted = self._make_room()
        decode = tuple(s for s in self.running if s.decodes)
        for sequence in decode:
            self._take(sequence, 1)
        budget = self.limits.max_num_batched_tokens - len(decode)
        prefill = []
        for sequence in self._prefilling(now, admit=not preempted):
            chunk = min(budget, sequence.to_compute - sequence.computed)
            prefill.append((sequence, chunk))
            budget -= chunk
            if budget == 0:
                break
        return Step(tuple(prefill), decode, tuple(preempted), self._duration(prefill, decode))

    def complete(self, step: Step, now: float) -> list[Emission]:
        """End a step: the tokens it gave, in order. Sequences that are finished have left."""
        alive = set(self.running)
        ready = [sequence for sequence in step.decode if sequence in alive]
        for sequence, chunk in step.prefill:
            sequence.computed += chunk
            if sequence.decodes and sequence in alive:
                ready.append(sequence)
        return [self._advance(sequence, now) for sequence in ready]

    def _prefilling(self, now: float, *, admit: bool) -> Iterator[Sequence]:
        """Sequences with prompt left to compute, oldest first; waiting ones are admitted as they are asked for."""
        yield from [s for s in self.running if not s.decodes]
        while admit and self.waiting and len(self.running) < self.limits.max_num_seqs:
            sequence = self.waiting[0]
            if self.kv_tokens + sequence.to_compute > self.limits.kv_cache_tokens:
                return
            self.running.append(self.waiting.popleft())
            self._take(sequence, sequence.to_compute)
            if not sequence.preemptions:
                sequence.scheduled = now
            yield sequence

    def _make_room(self) -> list[Sequence]:
        """Preempt, last admitted first, until every decoding sequence has room for its next token."""
        preempted = []
        while self.kv_tokens + sum(s.decodes for s in self.running) > self.limits.kv_cache_tokens:
            sequence = self.running[-1]
            self._leave(sequence)
            sequence.preemptions += 1
            sequence.to_compute = sequence.prompt_tokens + sequence.generated
            sequence.computed = 0
            self.waiting.appendleft(sequence)
            preempted.append(sequence)
        return preempted

    def _duration(self, prefill: list[tuple[Sequence, int]], decode: tuple[Sequence, ...]) -> float:
        limits = self.limits
        seconds = sum(chunk for _, chunk in prefill) / limits.prefill_tokens_per_second
        if decode:
            seconds += limits.decode_step_seconds + (len(decode) - 1) * limits.decode_step_per_sequence_seconds
        return seconds

    def _advance(self, sequence: Sequence, now: float) -> Emission:
        token = next(sequence.tokens)
        gap = now - sequence.last_token if sequence.generated else None
        if not sequence.generated:
            sequence.first_token = now
        sequence.generated += 1
        sequence.last_token = now
        if token.finish_reason is not None:
            self._leave(sequence)
        return Emission(sequence, token, gap)

    def _take(self, sequence: Sequence, tokens: int) -> None:
        sequence.kv_tokens += tokens
        self.kv_tokens += tokens

    def _leave(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.kv_tokens -= sequence.kv_tokens
        sequence.kv_tokens = 0
