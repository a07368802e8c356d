"""Alerts of a booted host reach a receiver on another one: that one alone, verified, and when they are over as well."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files
from lifecycle.alert_files import place_alert_files
from lifecycle.alerting import send_test
from lifecycle.home import Home
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import Arrival, KeptHosts, login_of
from lifecycle.hosts.play_variables import firewall_variables
from lifecycle.hosts.serving import materials_of, serve
from lifecycle.hosts.subject import subject_of
from lifecycle.pki import ensure_certificate
from lifecycle.planning import Kept, remember
from lifecycle.probes import observe
from lifecycle.profiles import load_profile
from lifecycle.stack import Stack
from lifecycle.tokens import ensure_issuer
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan
from planner.profile import AlertsSection, WebhookSection
from planner.progress import Silent
from templates.hosts import HostAbilities
from tests.hosts.image import OPERATOR
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.runtime import place_runtime
from tests.hosts.test_prepare import listener, prepare, reaches
from tests.hosts.test_services import EXPOSURE, exposure
from tests.parts import require
from tests.receivers import RECEIVED, certificates
from tests.waiting import wait_until

NAME, PORT = "alerts.example.test", 8443
TOKEN = "a-token-of-the-test"
DOWN = ("TargetDown", "engine")
UNIT = "cloister-alertmanager.service"


class Told:
    """A host that serves, and a receiver of its alerts."""

    def __init__(self, machine: Machine, receiver: Namespace, folder: Path) -> None:
        self.machine, self.receiver, self.folder = machine, receiver, folder
        self.pki = certificates(folder / "pki", NAME)
        (folder / "token").write_text(TOKEN)
        profile = load_profile("poc")
        profile = msgspec.structs.replace(
            profile,
            engine=msgspec.structs.replace(profile.engine, stand_in=True),
            metrics=msgspec.structs.replace(profile.metrics, scrape_interval_s=1),
            alerts=AlertsSection(
                webhook=WebhookSection(
                    url=f"https://{NAME}:{PORT}/hook",
                    address=receiver.v4,
                    token_file=str(folder / "token"),
                    ca=str(self.pki / "right-ca.pem"),
                )
            ),
        )
        host = HostPlan(name=machine.name, address=machine.v4, gpus=1)
        plan = make_plan(profile, load_catalogue(), Site(stack="lab", target="metal", hosts=(host,)))
        at = Host(name=machine.name, address=machine.v4, user=OPERATOR, host_key=machine.host_key)
        self.kept = KeptHosts(inventory=Inventory(host=(at,)), key=str(machine.key), owner="lab", plans=(host,))
        home = Home(folder / "state").stack("lab")
        home.create()
        remember(home, plan, Kept(profile=profile, upstream=None, target="metal", hosts=self.kept))
        self.stack = Stack.load(home)

    def bring(self) -> None:
        """Close the host, but for what the plan says, and start its services."""
        plan, layout, machine = self.stack.plan, self.stack.layout, self.machine
        way = Arrival(ours=machine.v4.rpartition(".")[0] + ".0", theirs=machine.v4, port=22)
        rules = firewall_variables(plan, machine.name, self.kept.inventory, {machine.name: way})
        prepare(machine, self.folder, parts=("firewall",), firewall_out=rules["firewall_out"])
        place_runtime(machine)
        ensure_issuer(plan, layout)
        ensure_certificate(plan.tls, layout, datetime.now(UTC))
        files.write(Path(layout.secrets, "engine-api-key"), "a key of the test")
        place_alert_files(plan.alerts, layout)
        serve(
            plan,
            load_catalogue(),
            self.kept.inventory,
            login_of(self.stack.home, self.kept.key),
            abilities={machine.name: HostAbilities(systemd=252)},
            materials=materials_of(plan, layout),
            progress=Silent(),
        )

    def sooner(self) -> None:
        """Have the same rules and routes fire and tell within seconds instead of minutes: nothing else is changed."""
        self.machine.run("sed", "-i", "/up == 0/{n;s/1m/2s/}", "/etc/cloister/prometheus/rules/cloister.yml")
        waits = "s/group_wait: 10s/group_wait: 1s/;s/group_interval: 1m/group_interval: 1s/"
        self.machine.run("sed", "-i", waits, "/etc/cloister/alertmanager/alertmanager.yml")
        self.machine.run("systemctl", "restart", "cloister-prometheus.service", UNIT)

    @property
    def messages(self) -> list[dict[str, Any]]:
        path = self.pki / RECEIVED
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def engine(self, status: str) -> list[dict[str, Any]]:
        """Return what the receiver was told of an engine that is down, or no longer."""
        told = [one for message in self.messages for one in message["body"]["alerts"] if one["status"] == status]
        return [one for one in told if (one["labels"]["alertname"], one["labels"].get("replica")) == DOWN]


@pytest.fixture
def told(lab: Lab, tmp_path: Path) -> Iterator[Told]:
    for part in ("prometheus", "alertmanager"):
        require(part)
    made = Told(lab.host("bookworm"), lab.onlooker("receiver"), tmp_path)
    words = (sys.executable, "-m", "tests.receivers", str(made.pki), made.receiver.v4, str(PORT))
    with made.receiver.running(*words) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        made.bring()
        yield made


def test_alerts_reach_their_receiver_and_no_other(lab: Lab, told: Told) -> None:
    machine, receiver = told.machine, told.receiver
    assert exposure(machine, UNIT) <= EXPOSURE
    report = send_test(told.stack, Silent())
    assert report.ok, report
    (message,) = told.messages
    assert (message["path"], message["token"], message["host"]) == ("/hook", f"Bearer {TOKEN}", f"{NAME}:{PORT}")
    assert message["body"]["alerts"][0]["labels"]["host"] == machine.name
    login = login_of(told.stack.home, told.kept.key)
    with subject_of(told.stack, told.kept, told.stack.plan.hosts[0], login, lambda: None) as subject:
        checks = {check.id: check for check in observe.probe(subject, runs=True, absent=["node-exporter"])}
    assert checks["metrics.alertmanager"].ok, checks["metrics.alertmanager"]
    an_engine_that_ends_is_told_of(told)
    stranger = lab.onlooker("stranger")
    with listener(receiver, receiver.v4, 8100), listener(stranger, stranger.v4, PORT):
        assert reaches(machine, receiver.v4, PORT)
        assert not reaches(machine, receiver.v4, 8100)
        assert not reaches(machine, stranger.v4, PORT)
    assert not any(stranger.reaches(machine.v4, port, timeout_s=0.5) for port in (9093, 9094))
    held = machine.run("grep", "-rl", TOKEN, "/etc", "/var", "/usr/local", check=False).stdout
    assert held == ""
    assert TOKEN not in machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline; systemctl show " + UNIT, check=False).stdout


def an_engine_that_ends_is_told_of(told: Told) -> None:
    told.sooner()
    told.machine.run("systemctl", "stop", "cloister-engine.service")
    wait_until(lambda: bool(told.engine("firing")), 60, 0.2)
    labels = told.engine("firing")[0]["labels"]
    assert (labels["host"], labels["stack"]) == (told.machine.name, "lab")
    told.machine.run("systemctl", "start", "cloister-engine.service")
    wait_until(lambda: bool(told.engine("resolved")), 60, 0.2)
