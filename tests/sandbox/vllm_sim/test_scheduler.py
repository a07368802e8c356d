"""The scheduler's timing and its promises, on a clock that is only a number."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vllm_sim.sampling import SamplingParams, sample
from sandbox.vllm_sim.scheduler import EngineLimits, Scheduler, Sequence
from sandbox.vllm_sim.text import generate

CASES = sorted((Path(__file__).parent / "cases" / "schedule").glob("*.json"))

USUAL = EngineLimits(
    max_num_seqs=256,
    max_num_batched_tokens=8192,
    kv_cache_tokens=1_000_000,
    prefill_tokens_per_second=1000.0,
    decode_step_seconds=0.1,
    decode_step_per_sequence_seconds=0.01,
)


@dataclass(frozen=True)
class Arrival:
    """A request of one sequence.

    Attributes:
        at: when it comes, in seconds.
        prompt: its prompt's tokens.
        output: tokens it generates.
        gone: when its client goes away.

    """

    at: float
    prompt: int
    output: int
    gone: float | None = None


@dataclass
class Outcome:
    """What became of a sequence: its times of tokens, in seconds, and whether it ended by itself."""

    sequence: Sequence
    times: list[float]
    finished: bool = False


def simulate(limits: EngineLimits, arrivals: list[Arrival]) -> list[Outcome]:
    """Run requests, in the order given, to their end; check at every step what must always hold."""
    scheduler = Scheduler(limits)
    outcomes = [Outcome(_sequence(index, arrival), []) for index, arrival in enumerate(arrivals)]
    coming = deque(zip(arrivals, outcomes, strict=True))
    now = 0.0
    for _ in range(100_000):
        while coming and coming[0][0].at <= now:
            scheduler.submit(coming.popleft()[1].sequence)
        for arrival, outcome in zip(arrivals, outcomes, strict=True):
            if arrival.gone is not None and arrival.gone <= now and arrival.at <= now:
                scheduler.abort(outcome.sequence)
        if scheduler.idle:
            if not coming:
                return outcomes
            now = coming[0][0].at
            continue
        step = scheduler.plan(now)
        _check(scheduler, [chunk for _, chunk in step.prefill], len(step.decode))
        now += step.duration
        for emission in scheduler.complete(step, now):
            outcome = outcomes[emission.sequence.index]
            assert not outcome.finished
            assert emission.gap == (pytest.approx(now - outcome.times[-1]) if outcome.times else None)
            outcome.times.append(now)
            outcome.finished = emission.token.finish_reason is not None
    raise AssertionError("the requests never end")


def _check(scheduler: Scheduler, chunks: list[int], decoding: int) -> None:
    limits = scheduler.limits
    assert len(scheduler.running) <= limits.max_num_seqs
    assert scheduler.kv_tokens == sum(sequence.kv_tokens for sequence in scheduler.running)
    assert scheduler.kv_tokens <= limits.kv_cache_tokens
    assert sum(chunks) + decoding <= limits.max_num_batched_tokens
    assert all(chunks)
    assert chunks or decoding


def _sequence(index: int, arrival: Arrival) -> Sequence:
    ids = generate([index], seed=0, request_seed=None, index=0)
    tokens = sample(ids, SamplingParams(max_tokens=arrival.output, ignore_eos=True))
    return Sequence(index=index, prompt_tokens=arrival.prompt, tokens=tokens, arrived=arrival.at)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    """A case tells requests, and for each when it is scheduled and when each of its tokens comes."""
    case: dict[str, Any] = json.loads(path.read_text())
    limits = replace(USUAL, **case["limits"])
    outcomes = simulate(limits, [Arrival(**arrival) for arrival in case["requests"]])
    told = [
        {
            "scheduled": outcome.sequence.scheduled,
            "tokens": outcome.times,
            **({"preemptions": outcome.sequence.preemptions} if outcome.sequence.preemptions else {}),
        }
        for outcome in outcomes
    ]
    for outcome, expected in zip(told, case["expect"], strict=True):
        assert {key: pytest.approx(value) for key, value in expected.items()} == outcome


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at=st.floats(0, 5).map(lambda seconds: round(seconds, 2)),
        prompt=st.integers(1, 60),
        output=st.integers(1, 30),
        gone=st.none() | st.floats(0, 20),
    ),
    min_size=1,
    max_size=12,
).map(lambda arrivals: sorted(arrivals, key=lambda arrival: arrival.at))

LIMITS = st.builds(
    lambda seqs, batched, **rest: EngineLimits(max_num_seqs=seqs, max_num_batched_tokens=seqs + batched, **rest),
    seqs=st.integers(1, 6),
    batched=st.integers(0, 60),
    kv_cache_tokens=st.integers(90, 300),
    prefill_tokens_per_second=st.sampled_from([10.0, 1000.0, float("inf")]),
    decode_step_seconds=st.sampled_from([0.0, 0.02, 0.5]),
    decode_step_per_sequence_seconds=st.sampled_from([0.0, 0.01]),
)


@given(LIMITS, ARRIVALS)
def test_every_request_ends(limits: EngineLimits, arrivals: list[Arrival]) -> None:
    """All that wait for their answer get all of it, through preemptions too; the KV cache is empty at the end."""
    for arrival, outcome in zip(arrivals, simulate(limits, arrivals), strict=True):
        if arrival.gone is None:
            assert outcome.finished
            assert len(outcome.times) == arrival.output
        assert outcome.sequence.kv_tokens == 0
        assert outcome.times == sorted(outcome.times)


@given(LIMITS, ARRIVALS)
def test_first_come_first_served(limits: EngineLimits, arrivals: list[Arrival]) -> None:
    stay = [Arrival(arrival.at, arrival.prompt, arrival.output) for arrival in arrivals]
    for earlier, later in pairwise(simulate(limits, stay)):
        assert earlier.sequence.scheduled <= later.sequence.scheduled


@given(LIMITS, ARRIVALS, st.integers(1, 59))
def test_first_token_comes_later_for_a_longer_prompt(limits: EngineLimits, arrivals: list[Arrival], more: int) -> None:
    """Whatever else runs, a longer prompt never makes the newest request's first token come sooner.

    As long as the KV cache has room: a preemption that it causes elsewhere may well let it in earlier.
    """
    limits = replace(limits, kv_cache_tokens=1_000_000)
    *others, last = [Arrival(arrival.at, arrival.prompt, arrival.output) for arrival in arrivals]
    longer = Arrival(last.at, last.prompt + more, last.output)
    short_wait, long_wait = (simulate(limits, [*others, request])[-1].times[0] for request in (last, longer))
    assert long_wait >= short_wait - 1e-9


@given(LIMITS, ARRIVALS)
def test_same_requests_same_times(limits: EngineLimits, arrivals: list[Arrival]) -> None:
    first, again = ([outcome.times for outcome in simulate(limits, arrivals)] for _ in range(2))
    assert first == again


@given(st.integers(1, 40))
def test_time_between_tokens_grows_with_the_batch(batch: int) -> None:
    outcomes = simulate(USUAL, [Arrival(0.0, 10, 4)] * batch)
    gaps = [after - before for outcome in outcomes for before, after in pairwise(outcome.times)]
    assert gaps == [pytest.approx(0.1 + (batch - 1) * 0.01)] * (3 * batch)


@pytest.mark.parametrize("decoding", [False, True])
def test_a_sequence_aborted_in_mid_step_says_nothing_more(decoding: bool) -> None:
    scheduler = Scheduler(USUAL)
    sequences = [_sequence(index, Arrival(0.0, 10, 5)) for index in range(2)]
    for sequence in sequences:
        scheduler.submit(sequence)
    if decoding:
        scheduler.complete(scheduler.plan(0.0), 1.0)
    step = scheduler.plan(1.0)
    assert scheduler.abort(sequences[0])
    assert [emission.sequence for emission in scheduler.complete(step, 2.0)] == [sequences[1]]


def test_aborting_twice_or_after_the_end_does_nothing() -> None:
    scheduler = Scheduler(USUAL)
    sequence = _sequence(0, Arrival(0.0, 10, 1))
    scheduler.submit(sequence)
    scheduler.complete(scheduler.plan(0.0), 1.0)
    assert scheduler.idle
    assert not scheduler.abort(sequence)
    assert scheduler.kv_tokens == 0
