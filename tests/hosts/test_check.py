"""`deploy hosts check` against real SSH servers: what it reads, what it changes (nothing), whom it trusts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.facts import read_facts
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.ssh import (
    CommandStuckError,
    HostKeyChangedError,
    HostKeyUnknownError,
    LoginRefusedError,
    UnreachableError,
    connect,
    fingerprint,
)
from lifecycle.hosts.ssh import Login as HowToLogIn
from tests.hosts.image import OPERATOR, SHARED_PASSWORD_USER, Release
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine

ROOT = Path(__file__).parents[2]
Ask = Callable[[Host, str], bool]


def never(host: Host, shown: str) -> bool:
    raise AssertionError(f"asked about {host.name} {shown}")


def login(tmp_path: Path, machine: Machine, confirm: Ask = never) -> HowToLogIn:
    return HowToLogIn(pins=Pins(tmp_path / "known_hosts"), confirm=confirm, key_file=machine.key)


def entry(machine: Machine, *, user: str = OPERATOR, pinned: bool = True, jump: str = "", address: str = "") -> Host:
    key = machine.host_key if pinned else ""
    return Host(name=machine.name, address=address or machine.v4, user=user, host_key=key, jump=jump)


def cli(*words: str, home: Path) -> tuple[int, Any]:
    environment = {**os.environ, "CLOISTER_HOME": str(home), "HOME": str(home)}
    command = (sys.executable, "-m", "cli", "hosts", "check", *words, "--json")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def inventory(path: Path, *hosts: Host) -> Path:
    fields = ("name", "address", "user", "jump", "host_key", "roles")
    tables = []
    for host in hosts:
        values = {field: getattr(host, field) for field in fields}
        tables.append("[[host]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    path.write_text("\n".join(tables))
    return path


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_facts_are_the_hosts_and_nothing_is_changed_on_it(lab: Lab, release: Release, tmp_path: Path) -> None:
    machine = lab.host(release)
    machine.run("touch", "/tmp/before")
    with connect((entry(machine),), login(tmp_path, machine)) as connection:
        facts = read_facts(connection)
    assert (facts.os, facts.release) == ("debian", {"bookworm": "12", "trixie": "13"}[release])
    assert facts.systemd == {"bookworm": 252, "trixie": 257}[release]
    assert (facts.cgroup, facts.virtualization, facts.state) == (2, "systemd-nspawn", "running")
    assert facts.root
    assert facts.python
    assert facts.cpus >= 1
    assert abs(facts.clock_skew_s) < 5
    assert facts.listening is not None
    assert {one.port for one in facts.listening if one.protocol == "tcp"} == {22}
    assert not facts.gpus
    changed = machine.run(
        *("find", "/etc", "/usr", "/home", "/root", "/opt", "/srv", "/var/lib", "/boot", "-xdev"),
        *("-newer", "/tmp/before", "-not", "-path", "/var/lib/systemd/*", "-not", "-path", "/var/lib/private*"),
    )
    assert changed.stdout.split() == []


def test_the_command_reads_an_inventory_goes_through_a_jump_host_and_judges(lab: Lab, tmp_path: Path) -> None:
    bastion, inner = lab.host("bookworm", 0, 1), lab.host("trixie", 1)
    key = bastion.key.with_suffix(".pub").read_text()
    with (inner.root / f"home/{OPERATOR}/.ssh/authorized_keys").open("a") as file:
        file.write(key)
    first = entry(bastion)
    hosts = (
        Host(name="bastion", address=bastion.v4, user=OPERATOR, host_key=first.host_key, roles=("jump",)),
        Host(name="inner", address=inner.v4, user=OPERATOR, host_key=inner.host_key, jump="bastion"),
    )
    file_ = inventory(tmp_path / "hosts.toml", *hosts)
    home = tmp_path / "home"
    code, report = cli("--inventory", str(file_), "--key", str(bastion.key), home=home)
    (one,) = report["hosts"]
    assert one["error"] == ""
    assert one["facts"]["release"] == "13"
    assert code == (0 if one["fits"] else 1)
    code, report = cli("--inventory", str(file_), "--key", str(bastion.key), "--profile", "2xh200", home=home)
    assert (code, report["fits"], report["profile"]) == (1, False, "2xh200")
    refused = {verdict["what"] for verdict in report["hosts"][0]["verdicts"] if verdict["state"] == "no"}
    assert "GPUs" in refused
    with pytest.raises(UnreachableError), connect((entry(inner),), login(tmp_path, inner)):
        pass


def test_a_key_is_pinned_when_it_is_confirmed_and_a_changed_one_stops_everything(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    host, asked = entry(machine, pinned=False), []

    def answer(yes: bool) -> Ask:
        def confirm(host: Host, shown: str) -> bool:
            asked.append(shown)
            return yes

        return confirm

    with pytest.raises(HostKeyUnknownError) as unknown, connect((host,), login(tmp_path, machine, answer(False))):
        pass
    assert fingerprint(machine.host_key) in unknown.value.message
    with connect((host,), login(tmp_path, machine, answer(True))) as connection:
        assert connection.run("hostname").stdout.strip() == machine.name
    assert asked == [fingerprint(machine.host_key)] * 2
    with connect((host,), login(tmp_path, machine)) as connection:
        assert connection.run("id -un").stdout.strip() == OPERATOR

    before = machine.host_key
    machine.make_host_key()
    machine.run("systemctl", "restart", "ssh")
    with pytest.raises(HostKeyChangedError) as changed, connect((host,), login(tmp_path, machine, answer(True))):
        pass
    assert fingerprint(before) in changed.value.message
    assert fingerprint(machine.host_key) in changed.value.message
    assert len(asked) == 2
    assert Pins(tmp_path / "known_hosts").of((host,)) == before


def test_without_a_terminal_an_unknown_key_is_a_refusal_that_says_what_to_write(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    words = ("--host", f"{OPERATOR}@{machine.v4}", "--key", str(machine.key))
    code, report = cli(*words, home=tmp_path)
    assert code == 1
    assert report["hosts"][0]["error_code"] == "host_key_unknown"
    assert machine.host_key in report["hosts"][0]["hint"]
    assert not (tmp_path / "known_hosts").exists()


def test_who_is_not_let_in_and_what_does_not_answer_is_told_apart(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    how = login(tmp_path, machine)
    with pytest.raises(LoginRefusedError, match="nobody-here"), connect((entry(machine, user="nobody-here"),), how):
        pass
    with pytest.raises(UnreachableError), connect((entry(machine, address="10.213.0.250"),), how):
        pass
    with connect((entry(machine, user=SHARED_PASSWORD_USER),), how) as connection:
        assert not read_facts(connection).root  # its sudo wants a password, and none was asked for
    with connect((entry(machine),), how) as connection:
        with pytest.raises(CommandStuckError):
            connection.run("sleep 30", timeout_s=0.5)
        assert connection.run("exit 7").code == 7


def test_a_host_that_dies_in_the_middle_is_noticed(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    with connect((entry(machine),), login(tmp_path, machine)) as connection:
        machine.kill()
        with pytest.raises(CommandStuckError, match=machine.name):
            connection.run("true", timeout_s=3)


def test_neither_agent_nor_display_are_forwarded(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    monkeypatch.setenv("DISPLAY", ":0")
    machine = lab.host("bookworm")
    with connect((entry(machine),), login(tmp_path, machine)) as connection:
        assert connection.run("echo ${SSH_AUTH_SOCK:-none} ${DISPLAY:-none}").stdout.strip() == "none none"
