"""Prometheus is asked, and not told."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import Words, forbidden, option
from policies.files import Unit
from policies.readers import on_units
from policies.rule import Answer, Example, Rule, Violated

WRITES = {
    "--web.enable-admin-api": "whoever may look may also delete",
    "--web.enable-lifecycle": "whoever may look may also stop it",
    "--web.enable-remote-write-receiver": "whoever may look may also write",
    "--web.enable-otlp-receiver": "whoever may look may also write",
}


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge how Prometheus is started."""
    for service in plan.services:
        if service.artefact == "prometheus":
            yield from _words(service.name, service.args)


def _on_unit(unit: Unit) -> Iterator[Answer]:
    if "prometheus" in unit.name:
        for line in unit.values("ExecStart"):
            yield from _words(unit.name, tuple(line.split()))


def _words(where: str, words: Words) -> Iterator[Answer]:
    for flag, reason in forbidden(words, WRITES):
        yield Violated(f"{where} gets `{flag}`: {reason}")
    if option(words, "--web.listen-address") is None:
        yield Violated(f"{where} listens on every address (`--web.listen-address` is missing)")


def _started(*args: str) -> Plan:
    words = ("--web.listen-address=127.0.0.1:9090", *args)
    return examples.changed(services=(examples.service("prometheus", args=words),))


RULE = Rule(
    id="prometheus-read-only",
    title="Who may read metrics may not change them",
    family="observability",
    severity="high",
    why=(
        "With the admin API on, a token for dashboards deletes the series that show an intrusion. With the "
        "life-cycle API on, it stops the alerts."
    ),
    remediation="Start Prometheus without these options; `deploy plan` shows the services.",
    controls=("nist AU-9", "iso27001 A.8.15", "soc2 CC7.2"),
    references=("https://prometheus.io/docs/operating/security/",),
    good=(
        Example("a Prometheus on loopback", plan=_started()),
        Example("one with a retention", plan=_started("--storage.tsdb.retention.time=15d")),
    ),
    bad=(
        Example("deletion", plan=_started("--web.enable-admin-api")),
        Example("stopping", plan=_started("--web.enable-lifecycle")),
        Example("writing", plan=_started("--web.enable-remote-write-receiver")),
        Example("every address", plan=examples.changed(services=(examples.service("prometheus"),))),
        Example(
            "in a unit",
            files=examples.unit(
                {"ExecStart": "/usr/bin/prometheus --web.listen-address=127.0.0.1:9090 --web.enable-admin-api"},
                "cloister-prometheus",
            ),
        ),
    ),
    on_plan=on_plan,
    on_files=on_units(_on_unit),
)
