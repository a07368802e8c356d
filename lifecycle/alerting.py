"""`alerts test`: one alert through the running Alertmanager, and what it says of each receiver."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from lifecycle.journal import Journal
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.errors import DeployError, UsageError
from planner.plan import AlertsPlan
from planner.progress import Progress
from planner.spanning import heads_of

NAME = "CloisterTest"
"""Of the alert; its route, in Alertmanager's configuration, tells of it at once and gives up after ten seconds."""
PATIENCE_S = 20.0
"""Longest wait for what becomes of it."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the alert at one receiver.

    Attributes:
        host: whose Alertmanager sent it; empty for this machine's.
        receiver: `webhook` or `email`.
        to: where it was sent.
        delivered: the receiver took it.
        detail: what was seen.

    """

    host: str
    receiver: str
    to: str
    delivered: bool
    detail: str


class AlertsReport(msgspec.Struct, frozen=True, kw_only=True):
    """`alerts test`: whether every receiver took the alert. `test` stands in its labels, by which it can be found."""

    ok: bool
    stack: str
    test: str
    deliveries: tuple[Delivery, ...]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Alertmanager's own figures of one kind of receiver, since it started.

    Attributes:
        requests: tries that have ended (`alertmanager_notification_requests_total`).
        failed: those of them that failed (`alertmanager_notification_requests_failed_total`).
        given_up: notifications that were given up (`alertmanager_notifications_failed_total`).

    """

    requests: float = 0
    failed: float = 0
    given_up: float = 0


def send_test(stack: Stack, progress: Progress) -> AlertsReport:
    """Send one alert from every Alertmanager of the stack.

    Args:
        stack: a stack that is up.
        progress: told about each of them.

    Raises:
        DeployError: nobody is to be told, or an Alertmanager is not reached or does not answer.

    """
    alerts = stack.plan.alerts
    if alerts is None:
        raise UsageError(
            f"the stack {stack.plan.stack!r} tells nobody of alerts: its profile names no receiver",
            hint="Name one in `[alerts.webhook]` or `[alerts.email]`, then run `deploy up` again (docs/alerts.md).",
            code="no_receivers",
        )
    test = uuid.uuid4().hex[:12]
    found: list[Delivery] = []
    with Journal(stack.home.journal, "alerts").step("alerts test", test):
        for host, port in _alertmanagers(stack, progress):
            with progress.step(f"{host or 'alertmanager'}: one alert to each receiver"):
                found += _try(alerts, host, port, {"stack": stack.plan.stack, "test": test})
    return AlertsReport(
        ok=all(one.delivered for one in found), stack=stack.plan.stack, test=test, deliveries=tuple(found)
    )


def _alertmanagers(stack: Stack, progress: Progress) -> Iterator[tuple[str, int]]:
    """Yield each host's name and a port of this machine that leads to its Alertmanager; no name for this machine's."""
    number = stack.plan.port("alertmanager", "http")
    with served_hosts(stack, progress) as served:
        if served is None:
            stack.check_served()
            yield "", number
            return
        from lifecycle.hosts.way_in import LOOPBACK, tunnel  # noqa: PLC0415 - loads SSH, which the sandbox does not need

        for planned in heads_of(served.stack.plan):
            way = served.kept.inventory.way_to(served.kept.inventory.named(planned.name))
            with tunnel(way, served.login, (LOOPBACK, number)) as local:
                yield planned.name, local


def _try(alerts: AlertsPlan, host: str, port: int, labels: dict[str, str]) -> Iterator[Delivery]:
    """Send the alert with these labels, and yield what became of it at each receiver."""
    with _answers(host, port) as client:
        before = counts(client.get("/metrics").raise_for_status().text)
        client.post("/api/v2/alerts", json=[_alert(labels, host)]).raise_for_status()
        waiting = dict(_receivers(alerts))
        deadline = time.monotonic() + PATIENCE_S
        while waiting:
            after = counts(client.get("/metrics").raise_for_status().text)
            late = time.monotonic() > deadline
            for kind, to in list(waiting.items()):
                seen = _verdict(before.get(kind, Count()), after.get(kind, Count()), late=late)
                if seen is not None:
                    del waiting[kind]
                    yield Delivery(host=host, receiver=kind, to=to, delivered=seen[0], detail=seen[1])
            if waiting:
                time.sleep(0.1)


def _verdict(before: Count, after: Count, *, late: bool) -> tuple[bool, str] | None:
    """Return whether it was delivered and what was seen; None while it is under way."""
    failed = round(after.failed - before.failed)
    tried = round(after.requests - before.requests)
    if tried > failed:
        return True, "taken" if not failed else f"taken after {failed} failed tries"
    if after.given_up > before.given_up:
        return False, f"given up after {failed} failed tries"
    if late:
        return False, f"{failed} failed tries in {PATIENCE_S:g} s" if failed else f"no answer in {PATIENCE_S:g} s"
    return None


def counts(text: str) -> dict[str, Count]:
    """Return the figures of every kind of receiver, from Alertmanager's metrics."""
    names = {
        "alertmanager_notification_requests_total": "requests",
        "alertmanager_notification_requests_failed_total": "failed",
        "alertmanager_notifications_failed_total": "given_up",
    }
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in names:  # newer releases tell reasons apart, by further labels
                of_kind = found.setdefault(sample.labels["integration"], {})
                of_kind[names[sample.name]] = of_kind.get(names[sample.name], 0) + sample.value
    return {kind: Count(**values) for kind, values in found.items()}


def _receivers(alerts: AlertsPlan) -> Iterator[tuple[str, str]]:
    if alerts.webhook:
        yield "webhook", f"{alerts.webhook.server.name}:{alerts.webhook.server.port}"
    if alerts.email:
        yield "email", ", ".join(alerts.email.to)


def _alert(labels: dict[str, str], host: str) -> dict[str, Any]:
    """Return the alert. It says no times: a host's clock may differ from ours, and Alertmanager takes its own."""
    summary = "a test: `deploy alerts test` was run, and nothing is wrong"
    return {
        "labels": {"alertname": NAME, "severity": "none", **labels, **({"host": host} if host else {})},
        "annotations": {"summary": summary},
    }


@contextlib.contextmanager
def _answers(host: str, port: int) -> Iterator[httpx.Client]:
    """Yield a client of an Alertmanager.

    Raises:
        DeployError: it does not answer.

    """
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
            yield client
    except httpx.HTTPError as error:
        raise DeployError(
            f"{host + ': ' if host else ''}Alertmanager does not answer ({error})",
            hint="`deploy status` says whether it runs, `deploy logs alertmanager` why not.",
            code="alertmanager_not_answering",
        ) from None
