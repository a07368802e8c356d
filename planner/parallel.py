"""How a model is divided among GPUs, and what of it each one holds."""

from __future__ import annotations

import math

import msgspec

from planner.architecture import DTYPE_BYTES, Architecture, Dtype, Weight
from planner.errors import PlanError
from planner.kv_cache import pipeline_stages

VOCABULARY_PADDING = 64
"""vLLM pads embeddings to a multiple of this (`vocab_parallel_embedding.py`)."""


class Parallel(msgspec.Struct, frozen=True, kw_only=True):
    """Tensor-parallel ranks, pipeline stages, and whether experts are dealt out whole."""

    tp: int
    pp: int = 1
    ep: bool = False

    @property
    def gpus(self) -> int:
        """Return the GPUs of one replica."""
        return self.tp * self.pp


class LayoutError(PlanError):
    """The model cannot be divided in that way."""

    code = "cannot_divide"


def check_parallel(model: Architecture, parallel: Parallel) -> tuple[str, ...]:
    """Return what is worth knowing about the division.

    Raises:
        LayoutError: the engine would refuse it.

    """
    tp, pp = parallel.tp, parallel.pp
    if model.heads % tp:
        fitting = [n for n in range(1, model.heads + 1) if model.heads % n == 0]
        lower = max(n for n in fitting if n <= tp)
        raise LayoutError(
            f"tensor parallelism {tp} does not divide {model.heads} attention heads",
            hint=f"Nearest that do: {', '.join(str(n) for n in fitting if lower <= n)[:60]}; "
            f"or pipeline stages as well, for example --tp {lower} --pp {max(1, tp * pp // lower)}.",
        )
    if pp > model.layers:
        raise LayoutError(
            f"{pp} pipeline stages for {model.layers} layers", hint=f"Set --pp to at most {model.layers}."
        )
    if parallel.ep and not model.experts:
        raise LayoutError("expert parallelism needs experts, and this model has none", hint="Leave --ep out.")
    _check_blocks(model, parallel)
    return tuple(_notes(model, parallel))


def _notes(model: Architecture, parallel: Parallel) -> list[str]:
    tp, notes = parallel.tp, []
    latent = any(cache.latent for caches in model.caches for cache in caches)
    if latent and tp > 1:
        notes.append(
            f"latent attention: each of the {tp} ranks holds the whole KV cache, so more ranks hold no more tokens"
        )
    elif model.kv_heads < tp and not model.encoder:
        if tp % model.kv_heads:
            raise LayoutError(
                f"tensor parallelism {tp} is no multiple of {model.kv_heads} KV heads",
                hint=f"Set --tp to a multiple or a divisor of {model.kv_heads}.",
            )
        notes.append(
            f"{model.kv_heads} KV heads for {tp} ranks: each is held {tp // model.kv_heads} times, so the cache holds "
            f"no more tokens than with --tp {model.kv_heads}"
        )
    elif model.kv_heads % tp and not model.encoder and not latent:
        raise LayoutError(
            f"tensor parallelism {tp} does not divide {model.kv_heads} KV heads",
            hint=f"Set --tp to a divisor of {model.kv_heads}, or to a multiple of it.",
        )
    return notes


def _check_blocks(model: Architecture, parallel: Parallel) -> None:
    """Refuse ranks that would hold a part of a quantisation block (vLLM 0.33.0 `quantization/fp8.py`)."""
    quantization = model.quantization
    if quantization is None or quantization.block is None or parallel.tp == 1:
        return
    rows, columns = quantization.block
    for weight in model.weights:
        expert = weight.split in {"expert-column", "expert-row"}
        if not weight.quantised or (expert and parallel.ep):
            continue
        size = weight.out if weight.split in {"column", "expert-column"} else weight.into
        step = rows if weight.split in {"column", "expert-column"} else columns
        if weight.split in {"replicated", "kv", "vocab"} or (
            size % parallel.tp == 0 and size // parallel.tp % step == 0
        ):
            continue
        share = size / parallel.tp
        raise LayoutError(
            f"{weight.module}: {size} over {parallel.tp} ranks is {share:g}, no multiple of the FP8 block of {step}",
            hint="Use expert parallelism (--ep): every rank then holds whole experts."
            if expert
            else f"Set --tp so that {size} divided by it is a multiple of {step}.",
        )


def weight_bytes(model: Architecture, parallel: Parallel, dtype: Dtype, *, v0: bool = False) -> float:
    """Return the bytes of weights on the fullest GPU.

    On every rank: matrices that are not divided, its share of those that are, KV projections of at least one head,
    embeddings on the first stage and the output on the last one. Latent attention adds the up-projections once more,
    unquantised, since decoding multiplies by them directly (vLLM 0.33.0 `mla_attention.py`).
    """
    stages = pipeline_stages(model.layers, parallel.pp)
    tied = not model.encoder and not any(weight.part == "head" for weight in model.weights)
    by_stage = [0.0] * parallel.pp
    for weight in model.weights:
        size = weight_bytes_of(weight, model, parallel, dtype)
        if weight.layer is not None:
            by_stage[next(i for i, (first, end) in enumerate(stages) if first <= weight.layer < end)] += size
        elif weight.part in {"embedding", "vision"}:
            by_stage[0] += size
            if tied and parallel.pp > 1 and weight.part == "embedding":
                by_stage[-1] += size
        else:
            by_stage[-1] += size
    extra = _absorbed_bytes(model, parallel, dtype, v0=v0)
    return max(size + (end - first) * extra for size, (first, end) in zip(by_stage, stages, strict=True))


def weight_bytes_of(weight: Weight, model: Architecture, parallel: Parallel, dtype: Dtype) -> float:
    """Return the bytes of one matrix on one rank."""
    tp, split, count = parallel.tp, weight.split, weight.count
    out, into = weight.out, weight.into
    if weight.quantised and model.quantization and weight.part == "experts":
        pad = model.quantization.pad_hidden
        out, into = (_up(out, pad), into) if split == "expert-row" else (out, _up(into, pad))
    if split.startswith("expert") and parallel.ep:
        count = math.ceil(count / tp)
    elif split in {"column", "expert-column"}:
        out = math.ceil(out / tp)
    elif split in {"row", "expert-row"}:
        into = math.ceil(into / tp)
    elif split == "kv":
        out = math.ceil(out / min(tp, model.kv_heads))
    elif split == "vocab":
        out = math.ceil(_up(out, VOCABULARY_PADDING) / tp)
    plain = DTYPE_BYTES[dtype]
    bits = model.quantization.bits if weight.quantised and model.quantization else 8 * plain
    bias = weight.bias / (tp if split in {"column", "expert-column"} else 1)
    return count * (out * into * bits / 8 + bias * plain)


def bytes_read_each_step(model: Architecture, parallel: Parallel, dtype: Dtype) -> tuple[float, float]:
    """Return the bytes on a usual GPU: what every step reads, and routed experts; embeddings are only looked up."""
    dense = routed = 0.0
    tied = not any(weight.part == "head" for weight in model.weights)
    for weight in model.weights:
        if weight.part == "experts":
            routed += weight_bytes_of(weight, model, parallel, dtype)
        elif weight.part != "vision" and (weight.part != "embedding" or tied):
            dense += weight_bytes_of(weight, model, parallel, dtype)
    return dense / parallel.pp, routed / parallel.pp


def _absorbed_bytes(model: Architecture, parallel: Parallel, dtype: Dtype, *, v0: bool) -> float:
    """Return the bytes that latent attention adds on each layer of a rank.

    The V0 engine multiplied the up-projections into their neighbours ahead of time, at the checkpoint's precision:
    query rank x heads x cache rank, and cache rank x heads x hidden.
    """
    up = next((weight for weight in model.weights if weight.module.endswith(".kv_b_proj")), None)
    if up is None:
        return 0.0
    rank, heads = up.into, model.heads / parallel.tp
    if not v0:
        return up.out * rank / parallel.tp * DTYPE_BYTES[dtype]
    query = next((weight.into for weight in model.weights if weight.module.endswith(".q_b_proj")), model.hidden)
    number = model.quantization.bits / 8 if model.quantization else DTYPE_BYTES[dtype]
    return (query + model.hidden) * heads * rank * number


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
