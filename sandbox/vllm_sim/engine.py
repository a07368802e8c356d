"""The engine loop: runs the scheduler's steps on a clock and hands each request its tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from sandbox.vllm_sim.clock import Clock
from sandbox.vllm_sim.engine_metrics import EngineMetrics
from sandbox.vllm_sim.errors import busy
from sandbox.vllm_sim.sampling import FinishReason, Token
from sandbox.vllm_sim.scheduler import EngineLimits, Scheduler, Sequence, Step

_log = logging.getLogger(__name__)

_CATCH_UP_SECONDS = 0.05
"""How late a step may be planned to have begun. It keeps the rate true although every wait ends a little late."""

_STALL_POLL_SECONDS = 0.05
"""How often a stalled engine looks whether it may go on."""


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    """When a request is refused at the door; none means no limit. Names and meaning are vLLM's."""

    max_num_queued_reqs: int | None = None
    max_num_queued_tokens: int | None = None


class EngineDeadError(Exception):
    """The engine loop has ended by an error of its own; nothing more will be generated."""


class Outbox:
    """Where a request finds its tokens.

    Args:
        sequences: how many sequences will put tokens here.

    """

    def __init__(self, sequences: int) -> None:
        self._open = sequences
        self._tokens: list[tuple[int, Token]] = []
        self._news = asyncio.Event()
        self._dead = False

    def put(self, index: int, token: Token) -> None:
        """Hand over a token of choice `index`."""
        self._tokens.append((index, token))
        self._open -= token.finish_reason is not None
        self._news.set()

    def die(self) -> None:
        """Say that no token will come any more."""
        self._dead = True
        self._news.set()

    async def batches(self) -> AsyncIterator[list[tuple[int, Token]]]:
        """All tokens, each with the index of its choice; those that have come meanwhile at once.

        Raises:
            EngineDeadError: the engine ended first.

        """
        while self._open or self._tokens:
            await self._news.wait()
            self._news.clear()
            if self._dead:
                raise EngineDeadError
            batch, self._tokens = self._tokens, []
            if batch:
                yield batch


@dataclass(eq=False, slots=True)
class Generation:
    """The sequences of one prompt, inside the engine.

    Attributes:
        sequences: one for each choice.
        max_tokens: what the request allowed, for the metrics.
        outbox: where their tokens go.
        unfinished: how many have not given their last token.

    """

    sequences: list[Sequence]
    max_tokens: int
    outbox: Outbox
    unfinished: int = field(init=False)

    def __post_init__(self) -> None:
        self.unfinished = len(self.sequences)


class Engine:
    """One imitated engine. `run` must be running for anything to be generated."""

    def __init__(
        self,
        limits: EngineLimits,
        queue: QueueLimits,
        clock: Clock,
        metrics: EngineMetrics,
        *,
        stalled: Callable[[], bool],
    ) -> None:
        self.clock = clock
        self.dead = False
        self._scheduler = Scheduler(limits)
        self._queue = queue
        self._metrics = metrics
        self._stalled = stalled
        self._work = asyncio.Event()
        self._owner: dict[Sequence, Generation] = {}
        metrics.watch(self._scheduler)

    @property
    def unfinished(self) -> int:
        """Sequences that wait or run."""
        return self._scheduler.unfinished

    def admit(self, sequences: int) -> None:
        """Check the queue limits for a request of so many sequences.

        Raises:
            ApiError: 503, as vLLM, when a limit is reached. `max_num_queued_reqs` counts running requests too.

        """
        most, most_tokens = self._queue.max_num_queued_reqs, self._queue.max_num_queued_tokens
        if most is not None and self._scheduler.unfinished + sequences > most:
            self._reject("max_num_queued_reqs", "The engine is currently busy and cannot accept new requests.")
        if most_tokens is not None and self._scheduler.queued_prompt_tokens >= most_tokens:
            self._reject("max_num_queued_tokens", "The engine has reached its prefill token backlog limit.")

    def submit(self, sequences: list[Sequence], outbox: Outbox, *, max_tokens: int) -> Generation:
        """Queue the sequences of one prompt.

        Args:
            sequences: one for each choice; their tokens go to `outbox` under their index.
            outbox: where the request waits for them.
            max_tokens: what the request allowed, for the metrics.

        Raises:
            EngineDeadError: the engine has ended.

        """
        if self.dead:
            raise EngineDeadError
        generation = Generation(sequences, max_tokens, outbox)
        for sequence in sequences:
            self._owner[sequence] = generation
            self._scheduler.submit(sequence)
        self._work.set()
        return generation

    def abort(self, generation: Generation) -> None:
        """Forget what is left of a prompt's sequences; their slots are free at once."""
        for sequence in generation.sequences:
            if self._scheduler.abort(sequence):
                del self._owner[sequence]
                self._metrics.aborted()

    async def run(self) -> None:
        """Run steps for as long as the task lives."""
        try:
            await self._run()
        except Exception:
            _log.exception("the engine loop has failed; nothing more will be generated")
            raise
        finally:
            self.dead = True
            for generation in self._owner.values():
                generation.outbox.die()

    async def _run(self) -> None:
        ends = self.clock.now()
        while True:
            if self._scheduler.idle:
                self._work.clear()
                await self._work.wait()
                ends = self.clock.now()
            while self._stalled():
                await self.clock.sleep_until(self.clock.now() + _STALL_POLL_SECONDS)
            if self._scheduler.idle:
                continue
            begins = max(ends, self.clock.now() - _CATCH_UP_SECONDS)
            step = self._scheduler.plan(self.clock.now())
            ends = begins + step.duration
            await self.clock.sleep_until(ends)
            self._complete(step)

    def _complete(self, step: Step) -> None:
        now = self.clock.now()
        emissions = self._scheduler.complete(step, now)
        self._metrics.stepped(step, emissions)
        for emission in emissions:
            sequence, token = emission.sequence, emission.token
            generation = self._owner[sequence]
            if token.finish_reason is not None:
                del self._owner[sequence]
                self._finish(generation, sequence, token.finish_reason, now)
            generation.outbox.put(sequence.index, token)

    def _finish(self, generation: Generation, sequence: Sequence, reason: FinishReason, now: float) -> None:
        self._metrics.finished(sequence, reason, generation.max_tokens, now)
        generation.unfinished -= 1
        if not generation.unfinished:
            self._metrics.request_finished(generation.sequences)

    def _reject(self, reason: str, message: str) -> None:
        self._metrics.rejected(reason)
        raise busy(message)
