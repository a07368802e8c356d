"""Files of receivers, ways out to them, and what Alertmanager's figures mean."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lifecycle.alert_files import AlertFileError, place_alert_files, placed_authorities, read_alert_files
from lifecycle.alerting import Count, counts
from lifecycle.alerting import _verdict as verdict
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.play_variables import firewall_variables
from lifecycle.probes import observe
from lifecycle.probes.base import Subject
from planner.layout import Layout
from planner.plan import AlertsPlan, Target
from planner.profile import AlertsSection
from tests.alerts import EMAIL, WEBHOOK, told_plan
from tests.templates.stacks import layout_below

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in {"token": "a-token\n", "password": "two words\n", "ca.pem": PEM}.items():
        (folder / name).write_text(text)
    return folder


def plan(given: Path) -> AlertsPlan:
    webhook = msgspec.structs.replace(WEBHOOK, token_file=str(given / "token"), ca=str(given / "ca.pem"))
    email = msgspec.structs.replace(EMAIL, password_file=str(given / "password"))
    alerts = told_plan(AlertsSection(webhook=webhook, email=email)).alerts
    assert alerts is not None
    return alerts


def below(layout: Layout) -> dict[str, tuple[str, int]]:
    files = [path for path in Path(layout.stack).rglob("*") if path.is_file()]
    return {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in files}


def test_files_are_copied_and_go_with_their_receiver(given: Path, tmp_path: Path) -> None:
    layout = layout_below(tmp_path / "stack")
    place_alert_files(plan(given), layout)
    assert below(layout) == {
        "alert-webhook-token": ("a-token", 0o600),
        "alert-smtp-login": ("two words", 0o600),
        "webhook-ca.pem": (PEM, 0o600),
    }
    assert placed_authorities(plan(given), layout) == {"webhook-ca.pem": PEM}
    (given / "token").write_text("another-token\n")
    place_alert_files(plan(given), layout)
    assert below(layout)["alert-webhook-token"][0] == "another-token"
    place_alert_files(None, layout)
    assert below(layout) == {}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("token", "", "token_file.*not one line"),
        ("token", "a\nb\n", "token_file.*not one line"),
        ("password", None, "password_file.*cannot be read"),
        ("ca.pem", "no certificate", r"alerts\.webhook\.ca.*no certificate"),
        ("ca.pem", None, r"alerts\.webhook\.ca.*cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(given: Path, name: str, text: str | None, told: str) -> None:
    (given / name).unlink()
    if text is not None:
        (given / name).write_text(text)
    with pytest.raises(AlertFileError, match=told):
        read_alert_files(plan(given))


def test_what_was_read_is_not_shown(given: Path) -> None:
    assert "a-token" not in repr(read_alert_files(plan(given)))


def test_the_firewall_lets_out_to_receivers_alone() -> None:
    told = told_plan()
    out = firewall_variables(told, "a", Inventory(host=()), {})["firewall_out"]
    assert {(rule["protocol"], rule["port"], *rule["networks"]) for rule in out} == {
        ("tcp", 8443, "10.42.9.9"),
        ("tcp", 587, "10.42.9.8"),
    }
    assert firewall_variables(told_plan(AlertsSection()), "a", Inventory(host=()), {})["firewall_out"] == []


@pytest.mark.parametrize(
    ("requests", "failed", "given_up", "late", "delivered"),
    [
        (0, 0, 0, False, None),
        (1, 0, 0, False, True),
        (1, 1, 0, False, None),
        (3, 2, 0, False, True),
        (7, 7, 1, False, False),
        (4, 4, 0, True, False),
        (0, 0, 0, True, False),
    ],
)
def test_verdicts(requests: int, failed: int, given_up: int, *, late: bool, delivered: bool | None) -> None:
    before = Count(requests=5, failed=2, given_up=1)
    after = Count(requests=5 + requests, failed=2 + failed, given_up=1 + given_up)
    seen = verdict(before, after, late=late)
    assert (None if seen is None else seen[0]) is delivered


def test_figures_of_older_and_newer_releases() -> None:
    text = """\
# TYPE alertmanager_notification_requests_total counter
alertmanager_notification_requests_total{integration="webhook"} 20
alertmanager_notification_requests_total{integration="email"} 1
# TYPE alertmanager_notification_requests_failed_total counter
alertmanager_notification_requests_failed_total{integration="webhook"} 19
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration="webhook",reason="other"} 1
alertmanager_notifications_failed_total{integration="webhook",reason="serverError"} 1
"""
    assert counts(text) == {"webhook": Count(requests=20, failed=19, given_up=2), "email": Count(requests=1)}


@pytest.mark.parametrize(("target", "ok"), [("sandbox", None), ("metal", False)])
def test_hosts_without_an_alertmanager_fail_and_the_sandbox_says_so(target: Target, ok: bool | None) -> None:
    told = told_plan(target=target)
    subject = Subject(plan=told, layout=layout_below("/nowhere"), host="127.0.0.1", token=lambda: None)
    assert observe._told(subject, ["alertmanager"]).ok is ok
