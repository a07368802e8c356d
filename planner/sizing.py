"""Does the model fit, and how fast would it be: first-order arithmetic, each formula with its source."""

from __future__ import annotations

import msgspec

from planner.catalogue import Engine, Gpu, Model
from planner.plan import Rates

GIB = 2**30


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one replica, per GPU in GiB, and the tokens its cache holds."""

    weights_gib_per_gpu: float
    kv_cache_gib_per_gpu: float
    kv_bytes_per_token_per_gpu: int
    kv_cache_tokens: int


def size(model: Model, gpu: Gpu, engine: Engine, *, gpus: int, utilization: float, kv_fp8: bool) -> Sizing:
    """Divide the memory of each GPU between weights, overhead and KV cache.

    `kv = memory x utilization - weights / gpus - overhead`. A cache of grouped-query attention is divided among at most
    `kv_heads` ranks; one of multi-head latent attention is held whole by every rank (vLLM 0.33 v1/kv_cache_interface).
    A negative cache means that the model does not fit.
    """
    weights = model.weights_gib / gpus
    kv_gib = gpu.memory_gib * utilization - weights - engine.overhead_gib
    ranks = 1 if model.kv_replicated else min(gpus, model.kv_heads)
    per_token = model.kv_bytes_per_token // ranks // (2 if kv_fp8 else 1)
    blocks = int(kv_gib * GIB) // (per_token * engine.block_tokens)
    return Sizing(
        weights_gib_per_gpu=round(weights, 2),
        kv_cache_gib_per_gpu=round(kv_gib, 2),
        kv_bytes_per_token_per_gpu=per_token,
        kv_cache_tokens=blocks * engine.block_tokens,
    )


def rates(model: Model, gpu: Gpu, engine: Engine, sizing: Sizing, *, gpus: int, context: int) -> Rates:
    """Predict speed by the roofline: prefill is bound by compute, decode by memory bandwidth.

    Prefill does 2 FLOP per active parameter and token. A decode step reads the active weights once, and for each
    sequence its cache of `context` tokens. Efficiencies are the engine row's.
    """
    tflops = gpu.fp8_tflops if model.quantization == "fp8" and gpu.fp8_tflops else gpu.bf16_tflops
    flops = tflops * 1e12 * engine.compute_efficiency * gpus
    bandwidth = gpu.bandwidth_tb_s * 1e12 * engine.bandwidth_efficiency
    return Rates(
        prefill_tokens_per_s=round(flops / (2 * model.active_params_b * 1e9), 1),
        decode_step_s=round(model.active_weights_gib * GIB / gpus / bandwidth, 6),
        decode_step_per_sequence_s=round(sizing.kv_bytes_per_token_per_gpu * context / bandwidth, 9),
    )
