"""Records leave a host for a receiver on another one: all that should, nothing else, and whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.log_shipping import log_shipping_variables, log_shipping_ways_out
from planner.logs import plan_logs
from planner.plan import LogsPlan
from planner.profile import LogShippingSection
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import prepare, reaches
from tests.receivers import openssl
from tests.waiting import wait_until

NAME = "logs.example.test"
PORT = 6514
PARTS = ("log_shipping", "firewall")
RECEIVER = """\
global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="/srv/ca.pem"
    defaultNetstreamDriverCertFile="/srv/{kind}.pem" defaultNetstreamDriverKeyFile="/srv/{kind}.key")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="6514")
action(type="omfile" file="/srv/received")
"""


class Receiver:
    """An rsyslog on another host that takes records with one of several certificates."""

    def __init__(self, machine: Machine, files: Path) -> None:
        self.machine = machine
        machine.run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "rsyslog", "rsyslog-openssl")
        machine.run("systemctl", "disable", "--now", "rsyslog.service")
        for file in files.iterdir():
            (machine.root / "srv" / file.name).write_bytes(file.read_bytes())

    def start(self, kind: str = "right") -> None:
        (self.machine.root / "srv/rsyslog.conf").write_text(RECEIVER.format(kind=kind))
        command = ("/usr/sbin/rsyslogd", "-n", "-i", "NONE", "-f", "/srv/rsyslog.conf")
        self.machine.run("systemd-run", "--quiet", "--unit=receiver", "--property=Type=notify", *command)

    def stop(self) -> None:
        self.machine.run("systemctl", "stop", "receiver.service")

    def restart(self, kind: str) -> None:
        self.stop()
        self.start(kind)

    def has(self, text: str) -> bool:
        path = self.machine.root / "srv/received"
        return path.exists() and text in path.read_text(errors="replace")

    def gets(self, text: str) -> None:
        wait_until(lambda: self.has(text), 60, 0.2)


def certificates(folder: Path) -> Path:
    """Make two authorities; certificates of the receiver: right, of a stranger's authority, and of another name."""
    folder.mkdir()
    for authority in ("ca", "stranger"):
        openssl(folder, authority, f"/CN={authority}")
    for kind, name, authority in (
        ("right", NAME, "ca"),
        ("wrong-authority", NAME, "stranger"),
        ("wrong-name", "elsewhere.example.test", "ca"),
    ):
        signed = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key")
        extensions = ("-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE")
        openssl(folder, kind, f"/CN={name}", *signed, *extensions)
    return folder


def settled(address: str, files: Path) -> LogsPlan:
    section = LogShippingSection(address=address, port=PORT, server_name=NAME, ca=str(files / "ca.pem"), disk_mib=16)
    return plan_logs(90, section)


def says(machine: Machine, unit: str, text: str) -> None:
    """Let a service of that name write a line to its journal."""
    how = ("--quiet", "--wait", f"--unit={unit}", "--description=a test", "--property=Type=exec")
    machine.run("systemd-run", *how, "echo", text)


@pytest.mark.timeout(900)
def test_records_reach_their_receiver_and_no_other(lab: Lab, tmp_path: Path) -> None:
    sender, receiver_host = lab.host("trixie"), lab.host("bookworm")
    files = certificates(tmp_path / "pki")
    receiver = Receiver(receiver_host, files)
    receiver.start()
    logs = settled(receiver_host.v4, files)
    how: dict[str, Any] = {**log_shipping_variables(logs), "firewall_out": log_shipping_ways_out(logs.shipping)}
    assert prepare(sender, tmp_path, parts=PARTS, **how).changed > 0
    again = prepare(sender, tmp_path, parts=PARTS, **how)
    assert [result.task for result in again.results if result.state == "changed"] == []
    only_what_is_named_arrives(sender, receiver)
    it_waits_for_the_receiver(sender, receiver)
    a_receiver_that_cannot_be_verified_gets_nothing(sender, receiver)
    # Nothing else on the receiver is open to it, SSH least of all.
    assert reaches(sender, receiver_host.v4, PORT)
    assert not reaches(sender, receiver_host.v4, 22)
    prepare(sender, tmp_path, parts=PARTS, log_shipping_address="", firewall_out=[])
    assert not (sender.root / "etc/cloister/log-shipping").exists()
    assert sender.run("systemctl", "is-active", "cloister-log-shipping", check=False).stdout.strip() == "inactive"
    assert not reaches(sender, receiver_host.v4, PORT)


def only_what_is_named_arrives(sender: Machine, receiver: Receiver) -> None:
    says(sender, "cloister-engine", "a prompt")
    says(sender, "cloister-gateway", "a request")
    sender.run("sudo", "echo", "an administrator")
    trail = sender.root / "var/log/audit/audit.log"
    trail.parent.mkdir(exist_ok=True)
    with trail.open("a") as file:
        file.write("type=TEST msg=an audit record\n")
    trail.chmod(0o644)
    for what in ("a request", "an administrator", "an audit record"):
        receiver.gets(f"{what}")
    assert not receiver.has("a prompt")


def it_waits_for_the_receiver(sender: Machine, receiver: Receiver) -> None:
    receiver.stop()
    notices(sender, "the receiver is gone")
    says(sender, "cloister-gateway", "meanwhile")
    sender.run("systemctl", "restart", "cloister-log-shipping")  # what waited in memory is on the disk then
    says(sender, "cloister-gateway", "a little later")
    receiver.start()
    for what in ("meanwhile", "a little later"):
        receiver.gets(f"{what}")


def a_receiver_that_cannot_be_verified_gets_nothing(sender: Machine, receiver: Receiver) -> None:
    for kind in ("wrong-authority", "wrong-name"):
        receiver.restart(kind)
        notices(sender, f"the {kind}")
        text = f"not for {kind}"
        says(sender, "cloister-gateway", text)
        assert not receiver.has(f"the {kind}")
        receiver.restart("right")
        receiver.gets(text)


def notices(machine: Machine, text: str) -> None:
    """Let the gateway speak until the sender has seen that its receiver is gone or is not to be believed.

    Syslog has no acknowledgement: what is written into a connection whose other end has gone is lost.
    """
    said = len(complaints(machine))

    def speaks() -> bool:
        says(machine, "cloister-gateway", text)
        return len(complaints(machine)) > said

    wait_until(speaks, 60, 0.5)


def complaints(machine: Machine) -> list[str]:
    """Return what the service says of receivers that do not answer, or that it does not believe."""
    words = ("journalctl", "--unit=cloister-log-shipping", "--output=cat", "--no-pager")
    lines = machine.run(*words).stdout.splitlines()
    signs = ("cannot connect", "Certificate error", "not permitted")
    return [line for line in lines if any(sign in line for sign in signs)]
