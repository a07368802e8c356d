"""Memory of LoRA adapters: vLLM reserves room for as many as may be active at once, at the largest rank."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from planner.architecture import Architecture
from planner.engine_args import LORA_RANKS
from planner.parallel import Parallel


class LoraAdapters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many adapters are active at once, and how large they are."""

    count: Annotated[int, Meta(ge=1, le=1024)] = 1
    rank: Annotated[int, Meta(ge=1, le=512)] = 16


def lora_bytes(model: Architecture, adapters: LoraAdapters, parallel: Parallel, number_bytes: int) -> float:
    """Return the bytes on each rank.

    For each matrix of a dense layer `rank x (inputs + outputs)`, of which tensor parallelism divides the side that it
    divides in the matrix itself (vLLM 0.33.0 `lora/layers`). The rank is padded to one that the kernels know. Routed
    experts take no adapters here.
    """
    rank = next((known for known in LORA_RANKS if known >= adapters.rank), adapters.rank)
    total = 0.0
    for weight in model.weights:
        if not weight.linear or weight.layer is None or weight.part not in {"attention", "mlp", "shared-experts"}:
            continue
        out = weight.out / (parallel.tp if weight.split == "column" else 1)
        into = weight.into / (parallel.tp if weight.split == "row" else 1)
        total += rank * (out + into)
    return adapters.count * total * number_bytes / parallel.pp
