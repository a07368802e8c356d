"""Defaults that vLLM chooses by the GPU it finds."""

from __future__ import annotations

from planner.catalogue.rows import Gpu


def batch_defaults(gpu: Gpu) -> tuple[int, int]:
    """Return the most tokens in a step and the most requests at once.

    Source: vLLM 0.33.0 `engine/arg_utils.py`, `get_batch_defaults`, for its API server.
    """
    if gpu.memory_gib >= 160:
        return 16384, 1024
    if gpu.memory_gib >= 70 and not gpu.name.startswith("a100"):
        return 8192, 1024
    return 2048, 256
