"""Hosts that cannot carry a stack, or that nobody vouches for: refused with the reason, and left as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.ssh import fingerprint
from tests.hosts.clock import clock_of
from tests.hosts.image import OPERATOR, SHARED_PASSWORD_USER
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.test_metal import snapshot
from tests.hosts.test_prepare import listener_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("hosts")]


@pytest.fixture(scope="module")
def machine(can_boot: None) -> Iterator[Machine]:
    """One host for all tests of this module, which no test changes for good."""
    with Lab() as lab:
        yield lab.host("bookworm")


@pytest.fixture
def operator(machine: Machine, tmp_path: Path) -> Iterator[Operator]:
    """Somebody who works on the host, which is afterwards as it was."""
    before = snapshot(machine)
    yield Operator(tmp_path / "one", machine)
    assert snapshot(machine) == before


def refused(operator: Operator, *words: str) -> dict[str, Any]:
    code, report, told = operator.deploy(*words) if words else operator.up().end()
    assert code == 1, told
    error: dict[str, Any] = report["error"]
    return error


def test_another_program_on_the_endpoints_port(machine: Machine, operator: Operator) -> None:
    with listener_on(machine, machine.v4, 443):
        error = refused(operator)
    assert error["code"] == "host_does_not_fit"
    assert "443 in use" in error["message"]


def test_a_system_that_is_not_supported(machine: Machine, operator: Operator) -> None:
    release = machine.run("cat", "/usr/lib/os-release").stdout
    machine.run("sed", "-i", "s/^VERSION_ID=.*/VERSION_ID=11/", "/usr/lib/os-release")
    try:
        error = refused(operator)
    finally:
        machine.run("tee", "/usr/lib/os-release", text=release)
    assert error["code"] == "host_does_not_fit"
    assert "system" in error["message"]


@pytest.mark.parametrize("ahead_s", [-90, 90])
def test_a_clock_that_is_wrong(machine: Machine, operator: Operator, ahead_s: int) -> None:
    with clock_of(machine, ahead_s=ahead_s):
        error = refused(operator)
    assert error["code"] == "host_does_not_fit"
    assert "clock: " in error["message"]
    assert "s from ours" in error["message"]


def test_a_user_who_needs_a_password_for_sudo(operator: Operator) -> None:
    inventory = operator.folder / "hosts.toml"
    inventory.write_text(inventory.read_text().replace(f'"{OPERATOR}"', f'"{SHARED_PASSWORD_USER}"'))
    error = refused(operator)
    assert "sudo" in error["message"] + error["hint"]


def test_a_host_without_python(machine: Machine, operator: Operator) -> None:
    machine.run("mv", "/usr/bin/python3", "/usr/bin/python3.away")
    try:
        error = refused(operator)
    finally:
        machine.run("mv", "/usr/bin/python3.away", "/usr/bin/python3")
    assert error["code"] == "host_without_python"
    assert "apt-get install python3" in error["hint"]


def test_a_host_key_that_nobody_confirmed(machine: Machine, operator: Operator) -> None:
    host = ("--target", "metal", "--host", f"{OPERATOR}@{machine.v4}", "--key", str(operator.key))
    error = refused(operator, "up", *host, "--profile", "./lab.toml", "--yes")
    assert error["code"] == "host_key_unknown"
    assert fingerprint(machine.host_key) in error["message"]
    assert machine.host_key in error["hint"]


def test_a_host_key_that_changed(machine: Machine, operator: Operator) -> None:
    inventory = operator.folder / "hosts.toml"
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
    inventory.write_text(inventory.read_text().replace(machine.host_key, other))
    assert refused(operator)["code"] == "host_key_changed"


def test_nobody_who_agrees(operator: Operator) -> None:
    words = ("up", "--target", "metal", "--inventory", "hosts.toml", "--key", str(operator.key))
    code, report, told = operator.deploy(*words, "--profile", "./lab.toml")
    assert (code, report["error"]["code"]) == (2, "not_agreed"), told
    assert "--yes" in report["error"]["hint"]


def test_a_check_says_what_would_be_changed(operator: Operator) -> None:
    where = ("--inventory", "hosts.toml", "--key", str(operator.key), "--profile", "./lab.toml")
    code, report, told = operator.deploy("hosts", "check", *where)
    assert code == 0, told
    (host,) = report["hosts"]
    changes = {change["task"]: change["diff"] for change in host["changes"]}
    assert any("Install the base packages" in task for task in changes)
    assert any("+PasswordAuthentication no" in diff for diff in changes.values())
    assert any("policy drop" in diff for diff in changes.values())
