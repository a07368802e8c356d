"""Alertmanager's own checker on the rendered file, and what becomes of each alert there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from planner.layout import HOST_LAYOUT
from planner.plan import Plan
from planner.profile import AlertsSection
from templates.render import render
from tests.alerts import BOTH, EMAIL, WEBHOOK, told_plan
from tests.parts import require
from tests.templates.stacks import layout_below, plan_of

FILE = "alertmanager/alertmanager.yml"
ODD = msgspec.structs.replace(
    EMAIL, sender="a'b{{x}}@example.test", to=("c\\d@example.test", "é@example.test"), user='us"er: {{ . }}'
)
SECTIONS = {
    "webhook": AlertsSection(webhook=WEBHOOK),
    "email": AlertsSection(email=EMAIL),
    "both, and a watchdog": BOTH,
    "odd words": AlertsSection(email=ODD),
}


def config(plan: Plan) -> Any:
    return yaml.safe_load(render(plan, HOST_LAYOUT)[FILE])


def write(plan: Plan, folder: Path) -> Path:
    """Write the file, with the authorities that it names; return its path."""
    layout = layout_below(folder)
    at = Path(layout.config, FILE)
    at.parent.mkdir(parents=True)
    for name in ("webhook-ca.pem", "email-ca.pem"):
        (at.parent / name).write_text("")
    at.write_text(render(plan, layout)[FILE], encoding="utf-8")
    return at


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_alertmanager_takes_the_file(section: str, tmp_path: Path) -> None:
    path = write(told_plan(SECTIONS[section]), tmp_path)
    done = subprocess.run([require("amtool"), "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=TargetDown severity=critical", "operators"),
        ("alertname=RequestsQueue severity=warning", "operators"),
        ("alertname=NobodyNamedIt", "operators"),
        ("alertname=CloisterTest severity=none", "test"),
        ("alertname=Watchdog severity=none", "watchdog"),
    ],
)
def test_every_alert_finds_its_receiver(labels: str, receiver: str, tmp_path: Path) -> None:
    words = ["config", "routes", "test", f"--config.file={write(told_plan(), tmp_path)}"]
    words += [f"--verify.receivers={receiver}", *labels.split()]
    done = subprocess.run([require("amtool"), *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, receiver)


def test_where_nobody_is_named_nothing_is_rendered() -> None:
    plan = plan_of("poc")
    assert FILE not in render(plan, HOST_LAYOUT)
    assert "alerting" not in yaml.safe_load(render(plan, HOST_LAYOUT)["prometheus/prometheus.yml"])


def test_prometheus_tells_the_alertmanager_beside_it_and_says_which_host() -> None:
    prometheus = yaml.safe_load(render(told_plan(), HOST_LAYOUT, "gpu-1")["prometheus/prometheus.yml"])
    assert prometheus["alerting"] == {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]}
    assert prometheus["global"]["external_labels"]["host"] == "gpu-1"
    assert "alertmanager" in {job["job_name"] for job in prometheus["scrape_configs"]}


def test_what_follows_from_a_replica_that_is_down_is_silent_and_nothing_else() -> None:
    for rule in config(told_plan())["inhibit_rules"]:
        assert rule["equal"] == ["replica"]
        (target,) = rule["target_matchers"]
        assert "TargetDown" not in target
        assert "ServerErrors" not in target


@pytest.mark.parametrize("receiver", ["operators", "test", "watchdog"])
def test_every_receiver_is_verified(receiver: str) -> None:
    (found,) = [one for one in config(told_plan())["receivers"] if one["name"] == receiver]
    (webhook,) = found["webhook_configs"]
    assert webhook["http_config"] == {
        "follow_redirects": False,
        "tls_config": {
            "min_version": "TLS12",
            "insecure_skip_verify": False,
            "ca_file": "/etc/cloister/alertmanager/webhook-ca.pem",
        },
        "authorization": {"credentials_file": "/etc/cloister/credentials/alert-webhook-token"},
    }
    assert webhook["send_resolved"] is (receiver == "operators")
    for email in found.get("email_configs", []):
        assert email["require_tls"] is True
        assert email["auth_password_file"] == "/etc/cloister/credentials/alert-smtp-login"
        assert email["smarthost"] == "mail.example.test:587"


def test_the_sign_of_life_comes_with_every_interval_and_by_the_webhook_alone() -> None:
    told = config(told_plan())
    (route,) = [one for one in told["route"]["routes"] if one["receiver"] == "watchdog"]
    assert (route["group_interval"], route["repeat_interval"]) == ("300s", "270s")
    (receiver,) = [one for one in told["receivers"] if one["name"] == "watchdog"]
    assert set(receiver) == {"name", "webhook_configs"}
    assert "watchdog" not in {one["name"] for one in config(told_plan(SECTIONS["email"]))["receivers"]}
