"""Does a model fit, how many tokens does its cache hold, how many requests: per GPU, with what is not known exactly."""

from __future__ import annotations

import math

import msgspec

from planner.architecture import DTYPE_BYTES, Architecture, Dtype
from planner.architecture.quantization import mark_quantised, named_quantization
from planner.catalogue.rows import Gpu
from planner.engine_args import default_limits
from planner.errors import PlanError, UsageError
from planner.kv_cache import CachePlan, CacheRequest, plan_cache
from planner.lora import LoraAdapters, lora_bytes
from planner.parallel import Parallel, check_parallel, weight_bytes
from planner.ranges import Range
from planner.reserve import activation_gib, cudagraph_gib
from planner.units import GIB

DEFAULT_UTILIZATION = 0.92
"""vLLM 0.33.0 `config/cache.py`."""
V0_BEFORE = (0, 8)
"""Versions before this ran the V0 engine."""
WEIGHTS_LOW, WEIGHTS_HIGH = 0.98, 1.03
"""Published start-up logs show 1.00 to 1.02 times the computed weights."""
PADDED_LOW = 0.93
"""Where experts are padded for some kernels only."""
NODE_GPUS = 8
"""GPUs of a large node: what crosses its border is far slower than what stays within."""
DTYPES: dict[str, Dtype] = {"bfloat16": "bfloat16", "float16": "float16", "half": "float16", "float32": "float32"}
CACHE_DTYPES = ("auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2")


class SizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked; 0 and empty mean the engine's own choice.

    Attributes:
        gpus: GPUs at hand.
        kv_cache_gib: memory of the cache on each GPU, given instead of computed.
        extra_kv_layers: layers of a draft model that keep a cache of their own.

    """

    gpus: int
    tp: int = 0
    pp: int = 0
    ep: bool = False
    dtype: str = "auto"
    quantization: str = ""
    kv_cache_dtype: str = "auto"
    max_model_len: int = 0
    gpu_memory_utilization: float = DEFAULT_UTILIZATION
    max_num_seqs: int = 0
    max_num_batched_tokens: int = 0
    kv_cache_gib: float = 0.0
    extra_kv_layers: int = 0
    engine_version: str = "0.33.0"
    lora: LoraAdapters | None = None


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, per GPU. Memory in GiB, tokens and requests over the whole replica.

    Attributes:
        activation_gib_per_gpu: activations at their peak, CUDA context and communication buffers.
        kv_bytes_per_token_per_gpu: what a short request's next token takes.
        kv_bytes_per_token_long_per_gpu: the same once every attention window is full.
        kv_cache_tokens: what vLLM's start-up log calls "GPU KV cache size".
        max_concurrency: what the log calls "Maximum concurrency", for requests of `max_model_len`.
        fits: the longest request fits, by the typical figures.
        missing_gib_per_gpu: what each GPU lacks; 0 if it fits.
        ranges: figure -> low, typical, high.

    """

    gpu: str
    gpus: int
    replicas: int
    tp: int
    pp: int
    ep: bool
    engine_version: str
    precision: str
    kv_cache_dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    memory_gib_per_gpu: float
    budget_gib_per_gpu: float
    weights_gib_per_gpu: float
    activation_gib_per_gpu: float
    cudagraph_gib_per_gpu: float
    kv_cache_gib_per_gpu: float
    kv_bytes_per_token_per_gpu: int
    kv_bytes_per_token_long_per_gpu: int
    kv_cache_blocks: int
    kv_cache_tokens: int
    max_concurrency: float
    fits: bool
    missing_gib_per_gpu: float
    ranges: dict[str, Range]
    notes: tuple[str, ...]


class _Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, with every default filled in."""

    model: Architecture
    dtype: Dtype
    parallel: Parallel
    number_bytes: int
    max_len: int
    seqs: int
    batched: int
    v0: bool
    notes: tuple[str, ...]


def size(model: Architecture, gpu: Gpu, request: SizeRequest) -> Sizing:
    """Size one replica.

    The memory of each GPU is divided as vLLM 0.33.0 does it (`v1/worker/gpu_worker.py`): of `memory x utilization`,
    what weights, activations and CUDA graphs leave is cache.

    Raises:
        UsageError: a number is absurd.
        PlanError: the engine would refuse the combination.

    """
    asked = _settle(model, gpu, request)
    model, parallel = asked.model, asked.parallel
    cache = _cache(asked, gpu, request)
    weights = _weights(asked, request)
    activation = activation_gib(
        model, parallel, batched_tokens=asked.batched, max_num_seqs=asked.seqs,
        number_bytes=DTYPE_BYTES[asked.dtype], v0=asked.v0,
    )  # fmt: skip
    graphs = cudagraph_gib(model, parallel)
    budget = math.ceil(gpu.memory_gib * GIB * request.gpu_memory_utilization) / GIB
    used = weights.plus(activation).plus(graphs)
    left = Range(low=budget - used.high, typical=budget - used.typical, high=budget - used.low)
    if request.kv_cache_gib:
        left = Range.exactly(request.kv_cache_gib)
    blocks = cache.blocks(int(left.typical * GIB))
    fits = left.typical > 0 if model.encoder else cache.holds_one_request(blocks)
    return Sizing(
        gpu=gpu.name,
        gpus=request.gpus,
        replicas=request.gpus // parallel.gpus,
        tp=parallel.tp,
        pp=parallel.pp,
        ep=parallel.ep,
        engine_version=request.engine_version,
        precision=model.quantization.method if model.quantization else asked.dtype,
        kv_cache_dtype="fp8" if asked.number_bytes == 1 else asked.dtype,
        max_model_len=asked.max_len,
        max_num_seqs=asked.seqs,
        max_num_batched_tokens=asked.batched,
        gpu_memory_utilization=request.gpu_memory_utilization,
        memory_gib_per_gpu=gpu.memory_gib,
        budget_gib_per_gpu=round(budget, 2),
        weights_gib_per_gpu=round(weights.typical, 2),
        activation_gib_per_gpu=round(activation.typical, 2),
        cudagraph_gib_per_gpu=round(graphs.typical, 2),
        kv_cache_gib_per_gpu=round(left.typical, 2),
        kv_bytes_per_token_per_gpu=cache.bytes_per_token,
        kv_bytes_per_token_long_per_gpu=cache.bytes_per_token_long,
        kv_cache_blocks=blocks,
        kv_cache_tokens=cache.tokens(blocks),
        max_concurrency=round(cache.concurrency(blocks), 2),
        fits=fits,
        missing_gib_per_gpu=0.0 if fits else round(max(0.0, cache.bytes_for_one_request() / GIB - left.typical), 2),
        ranges={
            "weights_gib_per_gpu": weights.rounded(2),
            "activation_gib_per_gpu": activation.rounded(2),
            "cudagraph_gib_per_gpu": graphs.rounded(2),
            "kv_cache_gib_per_gpu": left.rounded(2),
            **_counted(model, cache, left),
        },
        notes=(*model.notes, *asked.notes, *_doubts(cache, left, request, fits=fits, model=model)),
    )


def _settle(model: Architecture, gpu: Gpu, request: SizeRequest) -> _Settled:
    """Fill in what the engine would choose."""
    _check(request)
    model, dtype, notes = _precision(model, gpu, request)
    parallel = _parallel(request)
    notes += check_parallel(model, parallel)
    batched, seqs = default_limits(gpu.memory_gib, gpu.name)
    seqs, max_len = request.max_num_seqs or seqs, request.max_model_len or model.max_position
    if max_len > model.max_position:
        notes += (f"{max_len:,} tokens are more than the {model.max_position:,} that the model was made for",)
    return _Settled(
        model=model,
        dtype=dtype,
        parallel=parallel,
        number_bytes=cache_number_bytes(model, dtype, request.kv_cache_dtype),
        max_len=max_len,
        seqs=seqs,
        batched=max(request.max_num_batched_tokens or batched, seqs),
        v0=_version(request.engine_version) < V0_BEFORE,
        notes=notes,
    )


def _cache(asked: _Settled, gpu: Gpu, request: SizeRequest) -> CachePlan:
    return plan_cache(
        asked.model,
        CacheRequest(
            tp=asked.parallel.tp,
            pp=asked.parallel.pp,
            number_bytes=asked.number_bytes,
            block=16 if asked.v0 else block_tokens(asked.model, gpu, asked.number_bytes),
            max_len=asked.max_len,
            batched_tokens=asked.batched,
            extra_layers=request.extra_kv_layers,
            v0=asked.v0,
        ),
    )


def _weights(asked: _Settled, request: SizeRequest) -> Range:
    """Return the weights on the fullest GPU, in GiB."""
    model = asked.model
    total = weight_bytes(model, asked.parallel, asked.dtype, v0=asked.v0)
    if request.lora:
        total += lora_bytes(model, request.lora, asked.parallel, DTYPE_BYTES[asked.dtype])
    padded = model.quantization is not None and model.quantization.pad_hidden > 1
    return Range.around(total / GIB, PADDED_LOW if padded else WEIGHTS_LOW, WEIGHTS_HIGH)


def _counted(model: Architecture, cache: CachePlan, left: Range) -> dict[str, Range]:
    """Return the ranges of tokens and concurrency."""
    if model.encoder:
        return {}
    low, typical, high = (cache.blocks(int(gib * GIB)) for gib in (left.low, left.typical, left.high))
    return {
        "kv_cache_tokens": Range(low=cache.tokens(low), typical=cache.tokens(typical), high=cache.tokens(high)),
        "max_concurrency": Range(
            low=cache.concurrency(low), typical=cache.concurrency(typical), high=cache.concurrency(high)
        ).rounded(2),
    }


def _doubts(cache: CachePlan, left: Range, request: SizeRequest, *, fits: bool, model: Architecture) -> list[str]:
    """Say so where the range spans the border."""
    if request.kv_cache_gib:
        return ["the cache's memory was given: whether weights and activations fit beside it was not judged"]
    if model.encoder:
        return ["an encoder keeps no KV cache: its memory is weights and activations"]
    if fits and not cache.holds_one_request(cache.blocks(int(left.low * GIB))):
        return ["it fits by the typical figures and not by the worst ones: start it once before relying on it"]
    if not fits and cache.holds_one_request(cache.blocks(int(left.high * GIB))):
        return ["it does not fit by the typical figures and would by the best ones"]
    return []


def _check(request: SizeRequest) -> None:
    """Refuse absurd numbers."""
    for option, value in (("--count", request.gpus), ("--tp", request.tp or 1), ("--pp", request.pp or 1)):
        if not 1 <= value <= 4096:
            raise UsageError(f"{option} is {value}", hint="Give a number from 1 to 4096.")
    if not 0.1 <= request.gpu_memory_utilization <= 1:
        raise UsageError(
            f"--gpu-memory-utilization is {request.gpu_memory_utilization:g}", hint="It is a share: from 0.1 to 1."
        )
    for option, number in (
        ("--max-model-len", request.max_model_len),
        ("--max-num-seqs", request.max_num_seqs),
        ("--extra-kv-layers", request.extra_kv_layers),
        ("--kv-cache-gib", request.kv_cache_gib),
    ):
        if number < 0:
            raise UsageError(f"{option} is {number:g}", hint="It must not be negative.")


def _precision(model: Architecture, gpu: Gpu, request: SizeRequest) -> tuple[Architecture, Dtype, tuple[str, ...]]:
    """Settle in which precision weights are held."""
    if request.dtype != "auto" and request.dtype not in DTYPES:
        raise UsageError(f"--dtype: {request.dtype!r} is unknown", hint=f"Known: auto, {', '.join(DTYPES)}.")
    dtype = DTYPES.get(request.dtype, model.dtype)
    notes: tuple[str, ...] = ()
    if dtype == "float32" and request.dtype == "auto":
        dtype = "float16" if gpu.bf16_tflops is None else "bfloat16"
        notes += (f"the checkpoint is in float32, which vLLM's --dtype auto serves in {dtype}",)
    if dtype == "bfloat16" and gpu.bf16_tflops is None:
        dtype = "float16"
        notes += (f"{gpu.title} has no bfloat16: float16 is used, which takes the same memory",)
    if request.quantization:
        named = named_quantization(request.quantization)
        if model.quantization and named and model.quantization.method.split()[0] != named.method:
            raise PlanError(
                f"--quantization {request.quantization}: the checkpoint is {model.quantization.method} already",
                hint="Leave the option out, or size the unquantised checkpoint.",
                code="quantised_already",
            )
        if named and model.quantization is None:
            weights = mark_quantised(model.weights, named)
            model = msgspec.structs.replace(model, quantization=named, weights=weights)
            notes += (f"weights are taken as {named.method}: embeddings, output and norms stay in {dtype}",)
    method = model.quantization.method if model.quantization else ""
    if "fp8" in method and gpu.fp8_tflops is None:
        notes += (f"{gpu.title} has no FP8 units: weights are stored in FP8 and multiplied in 16 bits",)
    return model, dtype, notes


def _parallel(request: SizeRequest) -> Parallel:
    """Settle the division: tensor parallelism within a node, pipeline stages across, unless something else is asked."""
    whole = request.gpus // NODE_GPUS if request.gpus > NODE_GPUS and request.gpus % NODE_GPUS == 0 else 1
    pp = request.pp or (1 if request.tp else whole)
    tp = request.tp or max(1, request.gpus // pp)
    parallel = Parallel(tp=tp, pp=pp, ep=request.ep)
    if parallel.gpus > request.gpus:
        raise PlanError(
            f"--tp {tp} x --pp {pp} needs {parallel.gpus} GPUs, and --count is {request.gpus}",
            hint=f"Raise --count to {parallel.gpus}, or lower --tp or --pp.",
            code="too_few_gpus",
        )
    return parallel


def cache_number_bytes(model: Architecture, dtype: Dtype, kv_cache_dtype: str) -> int:
    """Return the bytes of one cached number.

    Raises:
        UsageError: the format is not one that is sized here.

    """
    if kv_cache_dtype not in CACHE_DTYPES:
        raise UsageError(
            f"--kv-cache-dtype: {kv_cache_dtype!r} is not sized here", hint=f"Known: {', '.join(CACHE_DTYPES)}."
        )
    if kv_cache_dtype == "auto":
        return 1 if model.fp8_cache else DTYPE_BYTES[dtype]
    return 1 if kv_cache_dtype.startswith("fp8") else 2


def block_tokens(model: Architecture, gpu: Gpu, number_bytes: int) -> int:
    """Return the tokens of a block: 16, but what the kernels of latent attention take.

    Source: vLLM 0.33.0 `platforms/cuda.py` (order of backends) and `v1/attention/backends/mla/*.py` (sizes each takes):
    FlashAttention's takes 16 and no FP8 cache, FlashMLA 64, FlashInfer's on Blackwell 32, sparse ones 64.
    """
    caches = [cache for layer in model.caches for cache in layer]
    if any(cache.raw_bytes for cache in caches):
        return 64
    if not any(cache.latent for cache in caches):
        return 16
    if gpu.fp4_tflops is not None:
        return 32
    return 64 if number_bytes == 1 else 16


def _version(text: str) -> tuple[int, int]:
    """Return major and minor number.

    Raises:
        UsageError: it is no version.

    """
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        raise UsageError(f"--engine-version: {text!r} is no version", hint="Write it as 0.33.0.")
    return int(parts[0]), int(parts[1])
