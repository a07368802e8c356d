"""The exporter of GPU metrics on a host: which counters, and its unit."""

from __future__ import annotations

from planner.gpu_metrics import GpuMetrics
from templates.environment import environment

FOLDER = "/etc/cloister/dcgm-exporter"
UNIT = "cloister-dcgm-exporter.service"


def render_dcgm_exporter(metrics: GpuMetrics, interval_s: int) -> dict[str, str]:
    """Return the text of each file by its path on the host.

    Args:
        metrics: what is watched.
        interval_s: how often Prometheus asks, in seconds.

    """
    context = {"metrics": metrics, "interval_ms": interval_s * 1000, "folder": FOLDER}
    places = {
        f"{FOLDER}/counters.csv": "dcgm_exporter/counters.csv.j2",
        f"/etc/systemd/system/{UNIT}": "dcgm_exporter/cloister-dcgm-exporter.service.j2",
    }
    return {path: environment().get_template(name).render(context) for path, name in places.items()}
