"""One replica of the engine: divided, sized, and as fast as it is expected to be; and how many the demand takes."""

from __future__ import annotations

import math

import msgspec

from planner.catalogue.rows import Gpu, Host
from planner.division import choose_parallel
from planner.engine_args import EngineChoice, Lora, Nodes
from planner.errors import PlanError
from planner.langfuse import traces_to
from planner.lora import LoraAdapters
from planner.model_choice import ChosenModel
from planner.parallel import Parallel
from planner.plan import Decision
from planner.profile import DemandSection, Profile
from planner.remedies import remedies
from planner.sizing import SizeRequest, Sizing, size
from planner.speed import replica_of
from planner.throughput import Replica, performance, users_served


class FittedReplica(msgspec.Struct, frozen=True, kw_only=True):
    """A replica that fits.

    Attributes:
        replicas: how many there shall be, and why.

    """

    parallel: Parallel
    sizing: Sizing
    replica: Replica
    replicas: tuple[int, str]
    decisions: tuple[Decision, ...]


def fit_replica(profile: Profile, chosen: ChosenModel, gpu: Gpu, host: Host) -> FittedReplica:
    """Divide and size one replica, or say what would fit.

    Raises:
        PlanError: it cannot be divided so, does not fit, or misses the targets of the demand however many there are.

    """
    wanted = profile.hardware
    parallel, why = choose_parallel(
        chosen.architecture,
        wanted.count,
        host.gpus,
        tp=wanted.tensor_parallel or 0,
        pp=wanted.pipeline_parallel or 0,
        ep=wanted.expert_parallel,
    )
    if wanted.count > host.gpus:
        _check_that_it_must_span(profile, chosen, gpu, host)
    request = _request(profile, chosen, parallel)
    sizing = size(chosen.architecture, gpu, request)
    if not sizing.fits:
        raise _does_not_fit(chosen, gpu, request, sizing)
    replica = replica_of(chosen.architecture, gpu, sizing, host.link)
    replicas = _replicas(profile, replica)
    return FittedReplica(
        parallel=parallel,
        sizing=sizing,
        replica=replica,
        replicas=replicas,
        decisions=(
            Decision(what="division", choice=_division(parallel), why=why),
            *_memory(sizing, encoder=chosen.architecture.encoder),
            *_speed(profile, replica, encoder=chosen.architecture.encoder),
        ),
    )


def _check_that_it_must_span(profile: Profile, chosen: ChosenModel, gpu: Gpu, host: Host) -> None:
    """Refuse to spread over nodes what one node holds: what passes between nodes makes every token later.

    Raises:
        PlanError: one node holds it.

    """
    try:
        alone, _ = choose_parallel(chosen.architecture, host.gpus, host.gpus, ep=profile.hardware.expert_parallel)
    except PlanError:
        return  # one node cannot be divided so
    if size(chosen.architecture, gpu, _request(profile, chosen, alone)).fits:
        raise PlanError(
            f"{chosen.name} fits one node of {host.gpus} x {gpu.name}, and {profile.hardware.count} GPUs are asked for",
            hint=f"Set `hardware.count = {host.gpus}`: within a node tokens come sooner. For more throughput run a "
            "second stack.",
            code="fits_one_node",
        )


def _request(profile: Profile, chosen: ChosenModel, parallel: Parallel) -> SizeRequest:
    lora, longest = profile.model.lora, chosen.architecture.max_position
    return SizeRequest(
        gpus=parallel.gpus,
        tp=parallel.tp,
        pp=parallel.pp,
        ep=parallel.ep,
        dtype=profile.model.dtype,
        quantization=profile.model.quantization,
        kv_cache_dtype=profile.engine.kv_cache_dtype,
        max_model_len=min(profile.model.max_model_len or longest, longest),
        gpu_memory_utilization=profile.engine.gpu_memory_utilization,
        max_num_seqs=profile.engine.max_num_seqs,
        max_num_batched_tokens=profile.engine.max_num_batched_tokens or 0,
        lora=LoraAdapters(count=lora.active, rank=lora.max_rank) if lora else None,
    )


def _does_not_fit(chosen: ChosenModel, gpu: Gpu, request: SizeRequest, sizing: Sizing) -> PlanError:
    """Say what is missing, and the smallest changes that would help."""
    where = f"{sizing.gpus} x {gpu.name}"
    helping = remedies(chosen.architecture, gpu, request)
    hint = "One of these would fit. " + "; ".join(remedy.told(f"`{remedy.setting}`") for remedy in helping)
    hint = f"{hint}." if helping else "No single change makes it fit: choose a smaller model or larger GPUs."
    if sizing.kv_cache_gib_per_gpu <= 0:
        return PlanError(
            f"{chosen.name} does not fit {where}: weights take {sizing.weights_gib_per_gpu:g} GiB of each GPU's "
            f"{gpu.memory_gib:g} GiB, and {sizing.missing_gib_per_gpu:g} GiB are missing",
            hint=hint,
            code="does_not_fit",
        )
    return PlanError(
        f"the KV cache of {chosen.name} on {where} holds {sizing.kv_cache_tokens} tokens, less than one request of "
        f"{sizing.max_model_len}",
        hint=hint,
        code="context_does_not_fit",
    )


def _replicas(profile: Profile, replica: Replica) -> tuple[int, str]:
    """Return how many replicas there shall be.

    Raises:
        PlanError: a single request already misses the targets.

    """
    if profile.hardware.replicas:
        return profile.hardware.replicas, "named in the profile; the gateway gives each request to the least busy one"
    demand = profile.demand
    if demand is None:
        return 1, "no demand is stated"
    targets = demand.token_latency_ms / 1000, demand.first_token_ms / 1000
    served = users_served(replica, demand.prompt_tokens, demand.answer_tokens, *targets)
    if served.typical < 1:
        alone = performance(replica, demand.prompt_tokens, demand.answer_tokens, 1)
        raise PlanError(
            f"a single request already misses the targets: {alone.inter_token_s.typical * 1000:.0f} ms a token, "
            f"{alone.ttft_s.typical * 1000:.0f} ms to the first one",
            hint="Loosen `demand.token_latency_ms` or `demand.first_token_ms`, divide the model among more GPUs, or "
            "choose one with fewer active parameters.",
            code="too_slow",
        )
    count = math.ceil(demand.peak_concurrency / served.typical)
    return count, (
        f"{demand.peak_concurrency} requests at the peak; one replica serves {served.typical:g} of them within "
        f"{demand.token_latency_ms} ms a token (between {served.low:g} and {served.high:g})"
    )


def _division(parallel: Parallel) -> str:
    stages = f" x {parallel.pp} stages" if parallel.pp > 1 else ""
    experts = ", whole experts on each" if parallel.ep else ""
    return f"{parallel.tp} tensor-parallel ranks{stages}{experts}"


def _memory(sizing: Sizing, *, encoder: bool) -> tuple[Decision, ...]:
    """Say precision, context and concurrency together: none of them says anything alone."""
    if encoder:
        why = f"weights take {sizing.weights_gib_per_gpu:g} GiB; an encoder keeps no cache"
        return (Decision(what="memory", choice=f"{sizing.precision}, {sizing.max_model_len:,} tokens", why=why),)
    bounds = sizing.ranges["max_concurrency"]
    return (
        Decision(
            what="memory",
            choice=f"{sizing.max_concurrency:.1f} requests of {sizing.max_model_len:,} tokens at {sizing.precision}",
            why=f"per GPU {sizing.weights_gib_per_gpu:g} GiB of weights and {sizing.kv_cache_gib_per_gpu:g} GiB of "
            f"{sizing.kv_cache_dtype} cache, {sizing.kv_cache_tokens:,} tokens; between {bounds.low:.1f} and "
            f"{bounds.high:.1f} requests, as far as memory can be known before",
        ),
    )


def _speed(profile: Profile, replica: Replica, *, encoder: bool) -> tuple[Decision, ...]:
    if encoder:
        return ()
    demand = profile.demand or DemandSection(peak_concurrency=16)
    seen = performance(replica, demand.prompt_tokens, demand.answer_tokens, min(demand.peak_concurrency, 16))
    stream, first = seen.tokens_per_s_per_stream, seen.ttft_s
    return (
        Decision(
            what="speed",
            choice=f"{stream.typical:.0f} tokens/s each with {seen.concurrency} streams",
            why=f"between {stream.low:.0f} and {stream.high:.0f}; first token after {first.typical:.1f} s "
            f"({first.low:.1f} to {first.high:.1f}); {demand.prompt_tokens} tokens in, {demand.answer_tokens} out; "
            "a prediction, not a measurement",
        ),
    )


def in_flight(profile: Profile) -> int:
    """Return the requests that one engine may hold: vLLM counts running and waiting ones together."""
    return profile.engine.max_num_seqs + profile.engine.max_num_queued_reqs


def engine_choice(
    profile: Profile,
    chosen: ChosenModel,
    fitted: FittedReplica,
    *,
    served_name: str,
    port: int,
    nodes: Nodes | None,
) -> EngineChoice:
    """Gather what the engine's command line says; `nodes` where the replica spans several."""
    lora, sizing = profile.model.lora, fitted.sizing
    return EngineChoice(
        model=chosen.source,
        revision=chosen.revision,
        served_name=served_name,
        port=port,
        tensor_parallel=fitted.parallel.tp,
        pipeline_parallel=fitted.parallel.pp,
        expert_parallel=fitted.parallel.ep,
        nodes=nodes,
        dtype=profile.model.dtype,
        quantization=profile.model.quantization,
        kv_cache_dtype=profile.engine.kv_cache_dtype,
        max_model_len=sizing.max_model_len,
        gpu_memory_utilization=profile.engine.gpu_memory_utilization,
        max_num_seqs=sizing.max_num_seqs,
        max_num_batched_tokens=sizing.max_num_batched_tokens,
        max_num_queued_reqs=in_flight(profile),
        prefix_caching=profile.engine.prefix_caching,
        lora=Lora(adapters=lora.adapters, max_rank=lora.max_rank, max_loras=lora.active) if lora else None,
        embedding=chosen.embedding,
        traces_to=traces_to(profile.langfuse),
    )
