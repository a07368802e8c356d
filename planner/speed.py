"""From a sized replica to what its speed follows from."""

from __future__ import annotations

from planner.architecture import DTYPE_BYTES, Architecture, Dtype
from planner.catalogue.rows import Gpu
from planner.efficiency import Kind
from planner.parallel import Parallel, bytes_read_each_step
from planner.sizing import Sizing
from planner.throughput import Replica


def replica_of(model: Architecture, gpu: Gpu, sizing: Sizing, link: str) -> Replica:
    """Describe a sized replica to the roofline.

    Args:
        model: as it was sized, with the quantisation that was chosen.
        gpu: what it runs on.
        sizing: of this model on this GPU.
        link: what joins the GPUs of the machine; the GPU's usual one where none is known.

    """
    parallel = Parallel(tp=sizing.tp, pp=sizing.pp, ep=sizing.ep)
    dtype: Dtype = "float16" if gpu.bf16_tflops is None else model.dtype
    dense, routed = bytes_read_each_step(model, parallel, dtype)
    kind, tflops = _arithmetic(model, gpu)
    return Replica(
        active_params=model.active_params,
        flops_kind=kind,
        dense_weight_bytes_per_gpu=dense,
        routed_weight_bytes_per_gpu=routed,
        routed_experts=model.experts,
        experts_per_token=model.experts_per_token,
        kv_bytes_per_token_per_gpu=sizing.kv_bytes_per_token_long_per_gpu or sizing.kv_bytes_per_token_per_gpu,
        layers=model.layers,
        hidden=model.hidden,
        attention_width=model.attention_width,
        activation_bytes=DTYPE_BYTES[dtype],
        tp=sizing.tp,
        pp=sizing.pp,
        tflops_per_gpu=tflops,
        bandwidth_tb_s=gpu.bandwidth_tb_s,
        link=gpu.link if link == "none" else link,
        link_gb_s=gpu.link_gb_s,
        kv_cache_tokens=sizing.kv_cache_tokens,
        max_num_seqs=sizing.max_num_seqs,
    )


def _arithmetic(model: Architecture, gpu: Gpu) -> tuple[Kind, float]:
    """Return what matrices are multiplied in, and the GPU's dense peak of it.

    Weights of four bits are multiplied in four bits on Blackwell, elsewhere in sixteen; integer formats always are.
    """
    method = model.quantization.method if model.quantization else ""
    if "fp4" in method and gpu.fp4_tflops is not None:
        return "fp4", gpu.fp4_tflops
    if "fp8" in method and gpu.fp8_tflops is not None:
        return "fp8", gpu.fp8_tflops
    return ("bf16", gpu.bf16_tflops) if gpu.bf16_tflops is not None else ("fp16", gpu.fp16_tflops)
