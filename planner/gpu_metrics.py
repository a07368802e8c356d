"""What is watched of GPUs that serve."""

from __future__ import annotations

from planner.acceptance import expected_gpus
from planner.catalogue import Catalogue
from planner.plan import Plan, Record

PORT = 9400
"""Of dcgm-exporter, on loopback: its own default."""
HOT_C = 85
"""Warned of above, in degrees Celsius: a third party's record of an H200 shows 87 as its highest operating temperature,
and no vendor's figure was found."""


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
    return (
        GpuMetrics(gpus=expected.exactly or expected.gpus, harmless_xids=expected.harmless_xids) if expected else None
    )
