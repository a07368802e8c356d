"""How fast one replica would be: a roofline with published efficiencies, so every result is a range.

A prompt is bound by compute, a decode step by what it reads from memory: weights once for all sequences, and each
sequence's cache. Tensor parallelism adds two all-reduces a layer. Speculative decoding and prefix-cache hits are not
counted; both make it faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from planner.efficiency import (
    ATTENTION_COMPUTE,
    CACHE_READS,
    COMPUTE,
    EXPERT_COMPUTE,
    EXPERT_LAYER_S,
    EXPERT_READS,
    HOP_S,
    LAYER_S,
    LINKS,
    PROMPT_LAYER_S,
    QUEUE,
    SCENARIOS,
    SERVER_S,
    WEIGHT_READS,
    Factor,
    Kind,
    Scenario,
)
from planner.errors import PlanError
from planner.plan import Rates, Record
from planner.ranges import Range

WIDTH = {"fp16": 1, "bf16": 1, "fp8": 2, "fp4": 4}
"""Peak compute of a kind as a multiple of the 16-bit peak, in which attention works."""


class Replica(Record, frozen=True, kw_only=True):
    """A model on the GPUs of one replica. `per_gpu` is one GPU's part after tensor and pipeline parallelism."""

    active_params: float
    """Parameters that work on each token."""
    flops_kind: Kind
    """What the matrices are multiplied in."""
    dense_weight_bytes_per_gpu: float
    """Read in every step: attention, dense and shared layers, output head. An input embedding is only looked up."""
    routed_weight_bytes_per_gpu: float = 0.0
    """All routed experts."""
    routed_experts: int = 0
    """Of one layer; 0 for a dense model."""
    experts_per_token: int = 0
    kv_bytes_per_token_per_gpu: float
    layers: int
    """Of the whole model."""
    hidden: int
    attention_width: int = 0
    """Query heads x head size; `hidden` when 0."""
    activation_bytes: int = 2
    tp: int = 1
    pp: int = 1
    tflops_per_gpu: float
    """Dense peak of `flops_kind`."""
    bandwidth_tb_s: float
    """Of one GPU's memory."""
    link: str
    """`nvlink`, `nvlink-bridge`, `infinity-fabric` or `pcie`; not read with tp = 1."""
    link_gb_s: float
    """Of the link, both directions together."""
    kv_cache_tokens: int
    max_num_seqs: int


class Performance(Record, frozen=True, kw_only=True):
    """What requests see at one concurrency."""

    concurrency: int
    max_concurrency: int
    """Requests that cache and `max_num_seqs` let run at once; more wait."""
    ttft_s: Range
    """Time to first token."""
    inter_token_s: Range
    """Between two tokens of a stream, interruptions by other prompts included."""
    tokens_per_s_per_stream: Range
    tokens_per_s: Range
    """Generated tokens of all streams together."""
    basis: str


class _Speeds(Record, frozen=True, kw_only=True):
    """What one GPU does in one scenario: bytes/s, FLOP/s and seconds."""

    weight_reads: float
    expert_reads: float
    cache_reads: float
    linear: float
    attention: float
    layer_s: float
    prompt_layer_s: float
    all_reduce_s: float
    link: float
    hop_s: float
    server_s: float
    queue: float


class _Load(Record, frozen=True, kw_only=True):
    """The four figures of `Performance` in one scenario."""

    ttft_s: float
    inter_token_s: float
    per_stream: float
    total: float


def performance(replica: Replica, prompt: int, answer: int, concurrency: int) -> Performance:
    """Estimate what requests of `prompt` and `answer` tokens see when `concurrency` of them are always under way.

    Raises:
        PlanError: the cache can't hold one such request, or there is no request.

    """
    _check(prompt, answer, concurrency)
    limit = max_concurrency(replica, prompt, answer)
    if limit == 0:
        raise PlanError(
            f"the KV cache holds {replica.kv_cache_tokens} tokens, less than one request of {prompt} + {answer}",
            hint="Expect shorter requests, or give the replica more memory.",
            code="context_does_not_fit",
        )
    loads = {name: _load(replica, _speeds(replica, name), prompt, answer, concurrency) for name in SCENARIOS}
    return Performance(
        concurrency=concurrency,
        max_concurrency=limit,
        ttft_s=_range(loads, lambda load: load.ttft_s),
        inter_token_s=_range(loads, lambda load: load.inter_token_s),
        tokens_per_s_per_stream=_range(loads, lambda load: load.per_stream),
        tokens_per_s=_range(loads, lambda load: load.total),
        basis=basis(replica),
    )


def curve(replica: Replica, prompt: int, answer: int, concurrencies: Iterable[int]) -> tuple[Performance, ...]:
    """Estimate the same at several concurrencies.

    Raises:
        PlanError: the cache can't hold one such request, or there is no request.

    """
    return tuple(performance(replica, prompt, answer, concurrency) for concurrency in concurrencies)


def max_concurrency(replica: Replica, prompt: int, answer: int) -> int:
    """Return how many requests run at once when each holds its whole prompt and answer in the cache."""
    return min(replica.max_num_seqs, replica.kv_cache_tokens // (prompt + answer))


def users_served(
    replica: Replica, prompt: int, answer: int, latency_target_s_per_token: float, ttft_target_s: float
) -> Range:
    """Return the largest concurrency at which both targets are met; 0 where a single request misses one.

    `low` is what the slow scenario allows. A request that would have to wait for others to end is not served.

    Raises:
        PlanError: there is no request, or a target is not positive.

    """
    _check(prompt, answer, latency_target_s_per_token, ttft_target_s)
    limit = max_concurrency(replica, prompt, answer)

    def served(scenario: Scenario) -> int:
        speeds = _speeds(replica, scenario)

        def meets(concurrency: int) -> bool:
            load = _load(replica, speeds, prompt, answer, concurrency)
            return load.inter_token_s <= latency_target_s_per_token and load.ttft_s <= ttft_target_s

        return _largest(meets, limit)

    return Range(low=served("slow"), typical=served("typical"), high=served("fast"))


def prompt_tokens_per_s(replica: Replica, prompt: int) -> Range:
    """Return the prompt tokens that are worked on in a second when there is nothing else to do, as with embeddings.

    Raises:
        PlanError: the prompt is empty.

    """
    _check(prompt)
    values = {name: prompt * replica.pp / _prefill(replica, _speeds(replica, name), prompt) for name in SCENARIOS}
    return Range(low=values["slow"], typical=values["typical"], high=values["fast"])


def rates(replica: Replica, context: int, sequences: int | None = None) -> Rates:
    """Return the typical speeds as the engine's imitation takes them: a step grows evenly with its sequences.

    It is exact for one sequence and for `sequences` of them (as many as fit, with `context` tokens each, when None). In
    between a model with routed experts is slower than that, by up to two fifths: few sequences touch most experts.
    """
    speeds = _speeds(replica, "typical")
    many = max(2, sequences or max_concurrency(replica, context, 0))
    one, all_of_them = (_step(replica, speeds, count, context) for count in (1, many))
    return Rates(
        prefill_tokens_per_s=round(prompt_tokens_per_s(replica, context).typical, 1),
        decode_step_s=round(one, 6),
        decode_step_per_sequence_s=round((all_of_them - one) / (many - 1), 9),
    )


def basis(replica: Replica) -> str:
    """Say in a few sentences what the figures rest on."""
    compute = COMPUTE[replica.flops_kind]
    parts = [
        f"{_percent(WEIGHT_READS[replica.flops_kind])} of memory bandwidth for weights",
        f"{_percent(CACHE_READS)} for the cache",
        f"{_percent(compute)} of peak {replica.flops_kind} compute for prompts",
    ]
    if replica.routed_experts:
        parts.append(f"routed experts at {_percent(EXPERT_READS)} and, of that compute, {_percent(EXPERT_COMPUTE)}")
    if replica.tp > 1:
        parts.append(f"all-reduces at {_percent(LINKS[replica.link].share)} of {replica.link}")
    return (
        f"An estimate, not a measurement: roofline with {', '.join(parts)}. From published kernel and server "
        "measurements; parts are assumed (planner/efficiency.py). Requests come independently of each other; no "
        "speculative decoding, no prefix-cache hits."
    )


def touched(experts: int, per_token: int, tokens: float) -> float:
    """Return the expected share of `experts` that so many tokens are routed to: 1 - (1 - per_token/experts)^tokens.

    Routing is taken to be even; where it is not, fewer are touched.
    """
    missed: float = (1 - per_token / experts) ** tokens if experts else 1.0
    return 1 - missed


def _check(*demand: float) -> None:
    if min(demand) <= 0:
        raise PlanError(
            f"demand must be more than nothing: {', '.join(f'{value:g}' for value in demand)}",
            hint="Give prompt and answer in tokens, requests at once, and targets in seconds.",
        )


def _load(replica: Replica, speeds: _Speeds, prompt: int, answer: int, concurrency: int) -> _Load:
    """Work out one scenario with `concurrency` requests always under way.

    While each of the running requests gets its `answer` tokens, each of them is replaced once, so that many prompts are
    worked on in between (pipeline stages work on different ones). What can't run waits its turn (Little's law).
    """
    running = min(concurrency, max_concurrency(replica, prompt, answer))
    step = _step(replica, speeds, running, prompt + answer / 2)
    prefill = _prefill(replica, speeds, prompt)
    occupied = prefill / replica.pp
    inter_token = step + (running - 1) * occupied / answer
    per_second = running / (running * occupied + answer * step)
    wait = prefill * min(speeds.queue * math.log2(running), 1) + (step / 2 if running > 1 else 0)
    return _Load(
        ttft_s=speeds.server_s + prefill + wait + (concurrency - running) / per_second,
        inter_token_s=inter_token,
        per_stream=1 / inter_token,
        total=answer * per_second,
    )


def _step(replica: Replica, speeds: _Speeds, sequences: int, context: float) -> float:
    """Return the seconds in which each of so many sequences gets one token.

    Each pipeline stage works on its share of the sequences while the others work on theirs.
    """
    batch = max(1.0, sequences / replica.pp)
    reads = (
        replica.dense_weight_bytes_per_gpu / speeds.weight_reads
        + replica.routed_weight_bytes_per_gpu
        * touched(replica.routed_experts, replica.experts_per_token, batch)
        / speeds.expert_reads
        + batch * context * replica.kv_bytes_per_token_per_gpu / speeds.cache_reads
    )
    compute = 2 * replica.active_params * batch / (replica.tp * replica.pp) / speeds.linear
    layers = replica.layers / replica.pp
    stage = max(reads, compute) + layers * (speeds.layer_s + 2 * _all_reduce(replica, speeds, batch))
    return replica.pp * stage + (replica.pp - 1) * speeds.hop_s


def _prefill(replica: Replica, speeds: _Speeds, tokens: int) -> float:
    """Return the seconds from a prompt's start to its first token, when nothing else runs.

    2 FLOP per active parameter and token; attention of a token to all before it: 2 x layers x width x tokens^2 in all.
    Pipeline stages take their turns. Reading the weights and starting the kernels are the floor.
    """
    width = replica.attention_width or replica.hidden
    compute = (
        2 * replica.active_params * tokens / speeds.linear + 2 * replica.layers * width * tokens**2 / speeds.attention
    ) / replica.tp
    reads = replica.pp * (
        replica.dense_weight_bytes_per_gpu / speeds.weight_reads
        + replica.routed_weight_bytes_per_gpu
        * touched(replica.routed_experts, replica.experts_per_token, tokens)
        / speeds.expert_reads
    )
    talk = 2 * replica.layers * _all_reduce(replica, speeds, tokens) + (replica.pp - 1) * speeds.hop_s
    return max(compute, reads, replica.layers * speeds.prompt_layer_s) + talk


def _all_reduce(replica: Replica, speeds: _Speeds, tokens: float) -> float:
    """Return the seconds of one all-reduce: each rank sends and receives 2 (tp - 1) / tp times the activations."""
    if replica.tp == 1:
        return 0.0
    sent = tokens * replica.hidden * replica.activation_bytes * 2 * (replica.tp - 1) / replica.tp
    return speeds.all_reduce_s + sent / speeds.link


def _speeds(replica: Replica, scenario: Scenario) -> _Speeds:
    """Apply the factors of one scenario to the hardware."""
    bandwidth, flops = replica.bandwidth_tb_s * 1e12, replica.tflops_per_gpu * 1e12
    routed = bool(replica.routed_experts)
    link = LINKS[replica.link] if replica.tp > 1 else LINKS["nvlink"]
    return _Speeds(
        weight_reads=bandwidth * WEIGHT_READS[replica.flops_kind].at(scenario),
        expert_reads=bandwidth * EXPERT_READS.at(scenario),
        cache_reads=bandwidth * CACHE_READS.at(scenario),
        linear=flops * COMPUTE[replica.flops_kind].at(scenario) * (EXPERT_COMPUTE.at(scenario) if routed else 1),
        attention=flops / WIDTH[replica.flops_kind] * ATTENTION_COMPUTE.at(scenario),
        layer_s=LAYER_S.at(scenario) + (EXPERT_LAYER_S.at(scenario) if routed else 0),
        prompt_layer_s=PROMPT_LAYER_S.at(scenario),
        all_reduce_s=link.latency_s.at(scenario),
        link=replica.link_gb_s * 1e9 / 2 * link.share.at(scenario),
        hop_s=HOP_S.at(scenario),
        server_s=SERVER_S.at(scenario),
        queue=QUEUE.at(scenario),
    )


def _range(loads: dict[Scenario, _Load], figure: Callable[[_Load], float]) -> Range:
    values = sorted(figure(load) for load in loads.values())
    return Range(low=values[0], typical=figure(loads["typical"]), high=values[-1])


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` for which a condition holds that, once broken, stays broken; else 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _percent(factor: Factor) -> str:
    return f"{factor.typical:.0%} ({factor.slow:.0%} to {factor.fast:.0%})"
