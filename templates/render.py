"""A plan becomes the text of every configuration file. Decisions were taken before; here they are only written down."""

from __future__ import annotations

from typing import Any

from planner.catalogue import load_catalogue
from planner.gpu_metrics import GpuMetrics, gpu_metrics
from planner.layout import Layout
from planner.plan import Plan
from templates.environment import environment

TEMPLATES = {
    "traefik/traefik.yml": "traefik/traefik.yml.j2",
    "traefik/dynamic/routes.yml": "traefik/routes.yml.j2",
    "gateway/gateway.toml": "gateway/gateway.toml.j2",
    "prometheus/prometheus.yml": "prometheus/prometheus.yml.j2",
    "prometheus/rules/cloister.yml": "prometheus/rules.yml.j2",
    "alertmanager/alertmanager.yml": "alertmanager/alertmanager.yml.j2",
    "langfuse-postgres/start.sh": "langfuse/postgres.sh.j2",
    "langfuse-clickhouse/config.xml": "langfuse/clickhouse.xml.j2",
    "langfuse-clickhouse/users.xml": "langfuse/clickhouse_users.xml.j2",
    "langfuse-valkey/start.sh": "langfuse/valkey.sh.j2",
    "langfuse-store/start.sh": "langfuse/store.sh.j2",
}
"""Rendered file, below the configuration folder -> its template; those of the plan's services alone."""


def render(plan: Plan, layout: Layout, host: str = "") -> dict[str, str]:
    """Return the text of every file by its path below `layout.config`.

    Args:
        plan: what is rendered.
        layout: where folders are.
        host: name of the host that they are for; empty for the sandbox's one machine.

    Raises:
        jinja2.UndefinedError: a template names what the plan does not have.

    """
    gpus = gpu_metrics(plan, load_catalogue())
    context = {
        "plan": plan,
        "gpus": gpus,
        "layout": layout,
        "host": host,
        "ports": {service.name: {port.name: port.number for port in service.ports} for service in plan.services},
        "scraped": _scraped(plan, gpus),
        "upstreams": _upstreams(plan),
        "upstream_key": _upstream_key(plan, layout),
    }
    names = {service.name for service in plan.services}
    return {
        path: environment().get_template(name).render(context)
        for path, name in TEMPLATES.items()
        if path.partition("/")[0] in names
    }


def _scraped(plan: Plan, gpus: GpuMetrics | None) -> list[dict[str, Any]]:
    """Return Prometheus's targets. The engine's replicas are one job; each carries its service's name as `replica`."""
    replicas = plan.engine.service_names
    # The exporter of the GPUs' figures is the host's, as their driver is, and not a service of the stack.
    exporter = [{"job": "gpus", "replica": "", "port": gpus.port, "path": "/metrics"}] if gpus else []
    services = [
        {
            "job": "engine" if service.name in replicas else service.name,
            "replica": service.name if service.name in replicas else "",
            "port": plan.port(service.name, service.metrics.port),
            "path": service.metrics.path,
        }
        for service in plan.services
        if service.metrics is not None
    ]
    return [*services, *exporter]


def _upstreams(plan: Plan) -> dict[str, str]:
    """Return the URL of each server behind the gateway by its name."""
    if plan.upstream:
        return {"upstream": plan.upstream.url}
    return {name: f"http://127.0.0.1:{plan.port(name, 'http')}" for name in plan.engine.service_names}


def _upstream_key(plan: Plan, layout: Layout) -> str:
    """Return the file of the key that the gateway shows to what is behind it; empty for none."""
    if plan.upstream is None:
        return f"{layout.secrets}/engine-api-key"
    return f"{layout.secrets}/upstream-api-key" if plan.upstream.key_env else ""
