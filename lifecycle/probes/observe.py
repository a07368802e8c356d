"""Prometheus sees every target, and strangers do not see Prometheus."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from lifecycle.probes.base import Check, Subject


def probe(subject: Subject, *, runs: bool, absent: Collection[str] = ()) -> Iterator[Check]:
    """Yield the checks of metrics.

    Args:
        subject: the running stack.
        runs: whether Prometheus is there at all.
        absent: names of optional services that are not.

    """
    if not runs:
        yield Check(
            id="metrics.targets",
            ok=None,
            detail="no Prometheus on this machine: install it (`apt install prometheus`), then run `deploy up` again",
        )
        return
    yield _targets(subject, absent)
    yield _rules(subject)
    if subject.plan.alerts:
        yield _told(subject, absent)
    yield _closed(subject)


def _api(subject: Subject, path: str) -> Any:
    port = subject.reached_at("prometheus", "http")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/prometheus", timeout=5, trust_env=False) as client:
        return client.get(path).raise_for_status().json()["data"]


def _targets(subject: Subject, absent: Collection[str]) -> Check:
    """Wait, for as long as two scrapes take, until every target that is there was scraped and is up."""
    deadline = time.monotonic() + 2 * subject.plan.metrics.scrape_interval_s + 5
    wanted = sum(1 for service in subject.plan.services if service.metrics)
    while True:
        try:
            targets = _api(subject, "/api/v1/targets")["activeTargets"]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            return Check(id="metrics.targets", ok=False, detail=f"Prometheus does not answer: {error}")
        missed = [target for target in targets if target["health"] != "up" and _name(target) not in absent]
        down = [f"{_name(target)} ({target['lastError'] or target['health']})" for target in missed]
        if len(targets) == wanted and not down:
            names = sorted(name for name in map(_name, targets) if name not in absent)
            return Check(id="metrics.targets", ok=True, detail=f"{len(names)} up: {', '.join(names)}")
        if time.monotonic() > deadline:
            detail = f"{len(targets)} of {wanted} targets known; down: {', '.join(down) or 'none'}"
            return Check(id="metrics.targets", ok=False, detail=detail)
        time.sleep(0.2)


def _name(target: Any) -> str:
    """Return the service that a target is."""
    labels = target["labels"]
    return str(labels.get("replica", labels["job"]))


def _rules(subject: Subject) -> Check:
    try:
        groups = _api(subject, "/api/v1/rules")["groups"]
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return Check(id="metrics.alert_rules", ok=False, detail=f"Prometheus does not answer: {error}")
    rules = [rule for group in groups for rule in group["rules"]]
    broken = [rule["name"] for rule in rules if rule["health"] == "err"]
    detail = f"broken: {', '.join(broken)}" if broken else f"{len(rules)} loaded"
    return Check(id="metrics.alert_rules", ok=bool(rules) and not broken, detail=detail)


def _told(subject: Subject, absent: Collection[str]) -> Check:
    """Ask Prometheus whom it tells of alerts, and whether it reaches it."""
    name = "metrics.alertmanager"
    if "alertmanager" in absent:
        ok = None if subject.plan.target == "sandbox" else False
        return Check(id=name, ok=ok, detail="no Alertmanager is there, so nobody is told of alerts")
    at = f"127.0.0.1:{subject.plan.port('alertmanager', 'http')}"
    try:
        known = [one["url"] for one in _api(subject, "/api/v1/alertmanagers")["activeAlertmanagers"]]
        targets = _api(subject, "/api/v1/targets")["activeTargets"]
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return Check(id=name, ok=False, detail=f"Prometheus does not answer: {error}")
    tells = any(urlsplit(url).netloc == at for url in known)
    reached = any(target["health"] == "up" for target in targets if _name(target) == "alertmanager")
    detail = f"tells {', '.join(known) or 'nobody'}, which {'answers' if reached else 'does not answer'}"
    return Check(id=name, ok=tells and reached, detail=f"{detail}; `deploy alerts test` tries the receivers")


def _closed(subject: Subject) -> Check:
    """Ask for the dashboards through the published port as a stranger."""
    try:
        with subject.client() as client:
            status = client.get("/prometheus/api/v1/targets").status_code
    except httpx.HTTPError as error:
        return Check(id="metrics.closed_to_strangers", ok=False, detail=f"no answer: {error}")
    return Check(id="metrics.closed_to_strangers", ok=status == 401, detail=f"{status} without a token")
