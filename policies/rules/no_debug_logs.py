"""No program logs as if somebody were looking for a defect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.engine import option
from policies.readers import on_static
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

QUIET = ("INFO", "WARN", "WARNING", "ERROR", "FATAL", "PANIC")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the levels that services are started with."""
    for service in plan.services:
        for name in ("--log.level", "--log-level"):
            value = option(service.args, name)
            if value is not None and value.upper() not in QUIET:
                yield Violated(f"{service.name} logs everything (`{name}={value}`)")


def _on_static(config: Any) -> Iterator[Answer]:
    level = at(config, "log", "level") or "ERROR"  # Traefik's own
    if str(level).upper() not in QUIET:
        yield Violated(f"Traefik logs everything (`log.level` is {level})")


def _logging(level: str) -> Plan:
    return examples.changed(services=(examples.service("prometheus", args=(f"--log.level={level}",)),))


RULE = Rule(
    id="no-debug-logs",
    title="No service logs at the level of debugging",
    family="observability",
    severity="medium",
    why=("At DEBUG Traefik writes down headers, and with them every token. What was set for an hour stays for a year."),
    remediation="Set the level to INFO or above; `deploy logs` shows what is written.",
    controls=("nist AU-9", "iso27001 A.8.15", "soc2 CC6.1"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/observability/logs-and-accesslogs/",),
    good=(
        Example("warnings", files=examples.traefik()),
        Example("warnings of Prometheus", plan=_logging("warn")),
    ),
    bad=(
        Example("everything of Traefik", files=examples.traefik({"log.level": "DEBUG"})),
        Example("more than everything", files=examples.traefik({"log.level": "TRACE"})),
        Example("everything of Prometheus", plan=_logging("debug")),
    ),
    on_plan=on_plan,
    on_files=on_static(_on_static),
)
