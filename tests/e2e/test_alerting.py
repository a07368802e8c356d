"""Alerts reach receivers over TLS alone: a webhook and a mail server, from the sandbox's own Alertmanager."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle.home import Home
from lifecycle.stack import Stack
from tests.e2e.deploy_cli import Deploy
from tests.parts import require
from tests.receivers import RIGHT, STRANGER, Mailbox, Webhook, certificates, mail_server
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

TOKEN, PASSWORD = "a-token-of-the-test", "a password of the test"
DOWN = ("TargetDown", "engine")
PROFILE = """
extends = "poc"
[metrics]
scrape_interval_s = 2
[alerts.webhook]
url = "https://localhost:{hook}/hook"
token_file = "{folder}/token"
ca = "{folder}/pki/right-ca.pem"
[alerts.email]
host = "localhost"
port = {mail}
sender = "cloister@example.test"
to = ["operators@example.test"]
user = "cloister"
password_file = "{folder}/password"
ca = "{folder}/pki/right-ca.pem"
"""


class Receivers:
    """Both, and a profile that names them."""

    def __init__(self, folder: Path) -> None:
        self.pki = certificates(folder / "pki", "localhost")
        self.messages: list[dict[str, Any]] = []
        self.mailbox = Mailbox()
        self.webhook = Webhook(self.pki, "127.0.0.1", 0, self.messages.append)
        self.mail = mail_server(self.pki, self.mailbox, "cloister", PASSWORD)
        (folder / "token").write_text(f"{TOKEN}\n")
        (folder / "password").write_text(f"{PASSWORD}\n")
        self.profile = folder / "told.toml"
        self.profile.write_text(PROFILE.format(hook=self.webhook.port, mail=self.mail.port, folder=folder))

    def engine(self, status: str) -> list[dict[str, Any]]:
        """Return what the webhook was told of an engine that is down, or no longer; nothing before the mail is."""
        told = [one for message in self.messages for one in message["body"]["alerts"] if one["status"] == status]
        down = [one for one in told if (one["labels"]["alertname"], one["labels"].get("replica")) == DOWN]
        mailed = any(f"{status}: engine has not answered" in text for _, _, text in self.mailbox.mails)
        return down if mailed else []


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Receivers]:
    made = Receivers(tmp_path)
    made.webhook.start()
    made.mail.start()
    yield made
    made.mail.stop()
    made.webhook.stop()


def test_alerts_are_told_and_when_they_are_over(deploy: Deploy, receivers: Receivers) -> None:
    for part in ("prometheus", "alertmanager"):
        require(part)
    deploy("up", "--profile", str(receivers.profile))
    a_test_reaches_both(deploy, receivers)
    checks = deploy("verify", "--json", check=False).json["checks"]
    assert [one for one in checks if one["ok"] is not True] == []
    assert "metrics.alertmanager" in {one["id"] for one in checks}
    who_cannot_be_verified_gets_nothing(deploy, receivers)
    an_engine_that_ends_is_told_of(deploy, receivers)
    no_secret_is_where_it_should_not_be(deploy)


def a_test_reaches_both(deploy: Deploy, receivers: Receivers) -> None:
    report = deploy("alerts", "test", "--json").json
    assert report["ok"], report
    assert {(one["receiver"], one["delivered"]) for one in report["deliveries"]} == {("webhook", True), ("email", True)}
    (message,) = receivers.messages
    assert (message["path"], message["token"]) == ("/hook", f"Bearer {TOKEN}")
    (alert,) = message["body"]["alerts"]
    assert alert["labels"]["test"] == report["test"]
    ((to, subject, text),) = receivers.mailbox.mails
    assert (to, subject) == ("operators@example.test", "[firing] default: CloisterTest")
    assert "nothing is wrong" in text


def who_cannot_be_verified_gets_nothing(deploy: Deploy, receivers: Receivers) -> None:
    receivers.messages.clear()
    receivers.webhook.status = 307  # a redirect is not followed
    done = deploy("alerts", "test", check=False)
    assert done.code == 1
    assert "NOT DELIVERED" in done.out
    assert {message["path"] for message in receivers.messages} == {"/hook"}
    receivers.webhook.status = 200
    receivers.messages.clear()
    receivers.webhook.show(STRANGER)
    report = deploy("alerts", "test", "--json", check=False).json
    assert not report["ok"]
    assert {one["receiver"]: one["delivered"] for one in report["deliveries"]} == {"webhook": False, "email": True}
    assert receivers.messages == []
    receivers.webhook.show(RIGHT)


def an_engine_that_ends_is_told_of(deploy: Deploy, receivers: Receivers) -> None:
    processes = Stack.load(Home(deploy.home).stack("default")).processes
    sooner(deploy)
    processes.stop(["engine"])
    wait_until(lambda: bool(receivers.engine("firing")), 60, 0.1)
    down = receivers.engine("firing")[0]
    assert (down["labels"]["stack"], down["labels"]["severity"]) == ("default", "critical")
    assert down["annotations"]["runbook"] == "docs/runbooks/target-down.md"
    processes.start(["engine"])
    wait_until(lambda: bool(receivers.engine("resolved")), 60, 0.1)


def sooner(deploy: Deploy) -> None:
    """Have the same rules and routes fire and tell within seconds instead of minutes: nothing else is changed."""
    config = deploy.home / "stacks" / "default" / "config"
    for name, pattern, text in (
        ("prometheus/rules/cloister.yml", r"(up == 0\n +for:) 1m", r"\1 2s"),
        ("alertmanager/alertmanager.yml", r"(group_wait:) 10s(\n +group_interval:) 1m", r"\1 1s\2 1s"),
    ):
        changed, count = re.subn(pattern, text, (config / name).read_text())
        assert count == 1, name
        (config / name).write_text(changed)
    for service in deploy("status", "--json").json["services"]:
        if service["name"] in {"prometheus", "alertmanager"}:
            os.kill(service["pid"], signal.SIGHUP)


def no_secret_is_where_it_should_not_be(deploy: Deploy) -> None:
    folder = deploy.home / "stacks" / "default"
    for value in (TOKEN, PASSWORD):
        (holding,) = [path for path in folder.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]
        assert holding.parent == folder / "secrets"
    assert {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir() if path.is_file()} == {0o600}
