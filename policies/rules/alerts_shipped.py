"""What must not stay unnoticed has an alert, and Prometheus watches it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import ALERTS, both, on_alerts, on_prometheus
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

REQUIRED = {
    "TargetDown": "up",
    "ServerErrors": "gateway_requests_total",
    "RefusedTokens": "gateway_auth_failures_total",
    "StaleSecurityData": "gateway_stale",
    "CertificateEndsSoon": "traefik_tls_certs_not_after",
}
"""Alert -> the metric that it must look at."""


def _on_prometheus(config: Any) -> Iterator[Answer]:
    if not any(str(name).endswith(ALERTS.rpartition("/")[2]) for name in at(config, "rule_files") or ()):
        yield Violated("Prometheus watches no alerts (`rule_files`)")


def _on_alerts(content: Any) -> Iterator[Answer]:
    rules = [rule for group in at(content, "groups") or () for rule in at(group, "rules") or ()]
    found = {str(at(rule, "alert")): rule for rule in rules if at(rule, "alert")}
    for name, metric in REQUIRED.items():
        if name not in found:
            yield Violated(f"the alert {name} is missing")
        elif metric not in str(at(found[name], "expr")):
            yield Violated(f"the alert {name} does not look at {metric}")
    for name, rule in found.items():
        if not at(rule, "labels", "severity"):
            yield Violated(f"the alert {name} has no severity")
        if not at(rule, "annotations", "runbook"):
            yield Violated(f"the alert {name} names no runbook")


def _alerts(*, without: str = "", **changes: Any) -> dict[str, str]:
    alert = {"labels": {"severity": "critical"}, "annotations": {"runbook": "docs/runbooks/example.md"}}
    rules = [
        {"alert": name, "expr": f"{metric} > 0", **alert, **changes}
        for name, metric in REQUIRED.items()
        if name != without
    ]
    text = json.dumps({"groups": [{"name": "endpoint", "rules": rules}]})
    return {**examples.prometheus(), ALERTS: text}


RULE = Rule(
    id="alerts-shipped",
    title="What must not stay unnoticed has an alert with a runbook",
    family="observability",
    severity="medium",
    why=(
        "Tokens that are tried by the hundred, a revocation list that cannot be read and a certificate that ends "
        "are seen by nobody who does not look. An intruder counts on that."
    ),
    remediation="Keep the shipped alerts and their runbooks in `docs/runbooks`; `deploy open` shows where they fire.",
    controls=("nist SI-4", "nist AU-6", "iso27001 A.8.16", "soc2 CC7.2"),
    references=("https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/",),
    good=(
        Example("every alert", files=_alerts()),
        Example("an alert after a minute", files=_alerts(**{"for": "1m"})),
    ),
    bad=(
        Example("an alert is missing", files=_alerts(without="RefusedTokens")),
        Example("an alert that never fires", files=_alerts(expr="vector(0) > 1")),
        Example("no severity", files=_alerts(labels={})),
        Example("no runbook", files=_alerts(annotations={})),
        Example("nobody watches", files={**_alerts(), **examples.prometheus({"rule_files": []})}),
    ),
    on_files=both(on_prometheus(_on_prometheus), on_alerts(_on_alerts)),
)
