"""Metrics end as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import option
from policies.rule import Answer, Example, Rule, Violated

RETENTION = "--storage.tsdb.retention.time"
LONGEST_DAYS = 400
DAYS = re.compile(r"(\d+)([dwy])")
IN_DAYS = {"d": 1, "w": 7, "y": 365}


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge how long Prometheus keeps samples."""
    for service in plan.services:
        if service.artefact == "prometheus":
            value = option(service.args, RETENTION) or ""
            found = DAYS.fullmatch(value)
            days = int(found[1]) * IN_DAYS[found[2]] if found else 0
            if not 0 < days <= LONGEST_DAYS:
                yield Violated(f"{service.name} keeps samples for {value or 'as long as it likes'} (`{RETENTION}`)")


def _kept(*args: str) -> Plan:
    return examples.changed(services=(examples.service("prometheus", args=args),))


RULE = Rule(
    id="metrics-end",
    title="Samples are kept for a stated time",
    family="data",
    severity="low",
    why=(
        "Samples tell who asked how much and when, name by name. Without an end they fill the disk, and with it the "
        "records of the audit."
    ),
    remediation="Set `metrics.retention_days`.",
    controls=("nist SI-12", "iso27001 A.8.10"),
    references=("https://prometheus.io/docs/prometheus/latest/storage/",),
    good=(
        Example("15 days", plan=_kept(f"{RETENTION}=15d")),
        Example("a year", plan=_kept(f"{RETENTION}=1y")),
    ),
    bad=(
        Example("nothing said", plan=_kept()),
        Example("ten years", plan=_kept(f"{RETENTION}=10y")),
    ),
    on_plan=on_plan,
)
