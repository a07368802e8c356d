"""What is watched of GPUs that serve."""

from __future__ import annotations

from planner.acceptance import expected_gpus
from planner.catalogue import Catalogue
from planner.plan import Plan, Record

PORT = 9400
"""Of dcgm-exporter, on loopback: its own default."""
HOT_C = 85
"""Warned of above: products slow down from 87 degrees Celsius (H200: nvidia-smi's "GPU Max Operating Temp")."""


class GpuMetrics(Record, frozen=True, kw_only=True):
    """GPUs of a host whose metrics Prometheus reads."""

    gpus: int
    """At least so many are there."""
    harmless_xids: tuple[int, ...]
    port: int = PORT
    hot_c: int = HOT_C


def gpu_metrics(plan: Plan, catalogue: Catalogue) -> GpuMetrics | None:
    """Return what is watched; None where no GPU serves."""
    expected = expected_gpus(plan, catalogue)
    return GpuMetrics(gpus=expected.gpus, harmless_xids=expected.harmless_xids) if expected else None
