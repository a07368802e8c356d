"""Memory that is neither weights nor cache: activations, the CUDA context, communication buffers, CUDA graphs.

No formula gives it exactly: vLLM measures it when it starts. What stands here is a first-order model whose shares are
calibrated on published start-up logs (the cases in `tests/planner/cases/sizing`), and a range that holds them all.
"""

from __future__ import annotations

from planner.architecture import Architecture
from planner.parallel import Parallel
from planner.ranges import Range
from planner.units import GIB

HIDDEN_COPIES = 12
"""Buffers of hidden size that live at the peak of a step, in copies of the batch's hidden states."""
EXPERT_COPIES = 2
"""The same for tokens sent to experts."""
LOGIT_BYTES = 12
"""Per sequence and word of the vocabulary: logits in 32 bits, their sorted copy, probabilities."""
BASE_ACTIVATION_GIB = 0.5
CONTEXT_GIB = Range(low=0.3, typical=0.6, high=1.2)
"""CUDA context, cuBLAS workspaces and allocator slack of a single GPU."""
COMMUNICATION_GIB = Range(low=0.7, typical=1.14, high=2.3)
"""NCCL and custom all-reduce buffers of each GPU among several: 1.74 GiB with the context in a log of 8 H200."""
V0_NON_TORCH_GIB = Range(low=1.0, typical=4.0, high=7.5)
"""The V0 engine's share outside the allocator: 7.16 GiB in a log of 8 H200."""
GRAPH_BASE_GIB = 0.3
GRAPH_LAYER_GIB = 0.015
"""For each layer: 1.2 GiB in a log of 45 layers with graphs up to a batch of 512, and its own estimate is as rough."""


def activation_gib(
    model: Architecture, parallel: Parallel, *, batched_tokens: int, max_num_seqs: int, number_bytes: int, v0: bool
) -> Range:
    """Return activations at the peak of a step, context and communication, of each GPU, in GiB."""
    hidden = batched_tokens * model.hidden * number_bytes * HIDDEN_COPIES
    routed = batched_tokens * model.experts_per_token * model.hidden * number_bytes * EXPERT_COPIES
    logits = 0 if model.encoder else max_num_seqs * model.vocab * LOGIT_BYTES
    peak = Range.around(BASE_ACTIVATION_GIB + (hidden + routed + logits) / GIB, 0.5, 1.8)
    if v0:
        return peak.plus(V0_NON_TORCH_GIB)
    return peak.plus(CONTEXT_GIB.plus(COMMUNICATION_GIB) if parallel.gpus > 1 else CONTEXT_GIB)


def cudagraph_gib(model: Architecture, parallel: Parallel) -> Range:
    """Return what CUDA graphs take on each GPU, in GiB; encoders run without."""
    if model.encoder:
        return Range.exactly(0.0)
    layers = -(-model.layers // parallel.pp)
    return Range.around(GRAPH_BASE_GIB + GRAPH_LAYER_GIB * layers, 0.4, 2.0)
