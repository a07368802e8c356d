"""Prometheus reads this host and sends nothing away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import is_loopback, on_prometheus
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

AWAY = ("remote_write", "remote_read", "otlp")
FIXED = frozenset({"job_name", "metrics_path", "scheme", "static_configs", "scrape_interval", "scrape_timeout"})
"""What a job may say; discovery of any kind finds targets that no rule has seen."""


def _judge(config: Any) -> Iterator[Answer]:
    for name in AWAY:
        if at(config, name):
            yield Violated(f"metrics leave the host or come from another (`{name}`)")
    for job in at(config, "scrape_configs") or ():
        yield from _asked(job)
    for manager in at(config, "alerting", "alertmanagers") or ():
        if at(manager, "scheme") != "https" and not all(map(is_loopback, _targets(manager))):
            yield Violated("alerts leave the host in the clear (`alerting.alertmanagers`)")


def _asked(job: Any) -> Iterator[Answer]:
    name = at(job, "job_name")
    for key in job:
        if key not in FIXED:
            yield Violated(f"the job {name} says `{key}`, which no rule judges")
    for target in _targets(job):
        if not is_loopback(target):
            yield Violated(f"the job {name} asks {target}, which is another host")


def _targets(section: Any) -> Iterator[Any]:
    return (target for group in at(section, "static_configs") or () for target in at(group, "targets") or ())


def _job(**fields: Any) -> dict[str, str]:
    return examples.prometheus({"scrape_configs": [{"job_name": "other", **fields}]})


RULE = Rule(
    id="metrics-stay-inside",
    title="Metrics come from this host and stay on it",
    family="network",
    severity="high",
    why=(
        "Metrics tell which model serves, how much, when and for how many. Remote writing sends them, and "
        "whatever somebody puts into a label, to an address that no security group was asked about."
    ),
    remediation="Leave remote writing and discovery out: others read `/prometheus/` with a token, see `deploy open`.",
    controls=("nist AC-4", "iso27001 A.8.12", "soc2 CC6.7"),
    references=("https://prometheus.io/docs/operating/security/",),
    good=(
        Example("services of this host", files=examples.prometheus()),
        Example("a service by its name", files=_job(static_configs=[{"targets": ["localhost:8081"]}])),
    ),
    bad=(
        Example(
            "metrics that are sent away", files=examples.prometheus({"remote_write": [{"url": "https://example.test"}]})
        ),
        Example("another host", files=_job(static_configs=[{"targets": ["10.0.0.7:9100"]}])),
        Example("targets that are found", files=_job(ec2_sd_configs=[{"region": "us-east-2"}])),
        Example(
            "alerts in the clear",
            files=examples.prometheus(
                {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["10.0.0.7:9093"]}]}]}}
            ),
        ),
    ),
    on_files=on_prometheus(_judge),
)
