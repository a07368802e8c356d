"""A user whose sudo wants a password, and a machine that loses its power at ten points of `up`: one host's life.

The password is on no command line, here or there, and in no file but the one that was named.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.hosts.image import SHARED_PASSWORD_USER
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.runtime import place_runtime
from tests.hosts.test_metal import at_work, checks, snapshot, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hosts")]

PASSWORD = "b7Qz-not-a-word-of-any-list"
POINTS = (
    "secrets and certificates",
    "base : Main | Look at what is there",
    "base : Main | Install the base packages",
    "base : Settings | Place all files",
    "audit : Main | Install the audit daemon",
    "guard : Main | Start the timer",
    "ssh : Change | Place our settings",
    "firewall : Change | Put them in force",
    "services : Main | Place users",
    "services : Main | Run the services",
)
"""Steps of `up`, at whose end the machine's power goes: each run gets one further than the one before."""
LEFT_BEHIND = {"playbook_failed", "host_stuck", "host_unreachable", "host_state", "host_lock"}
"""How `up` may say that a host went away, whatever it was doing."""
ASK = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with context.wrap_socket(socket.create_connection((sys.argv[1], 443), 5)) as endpoint:
    endpoint.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n")
    print(endpoint.recv(12))
"""
"""A request without a token, whoever answers."""


class World(msgspec.Struct):
    """A host, whose user becomes root with a password, who knows it, and a client."""

    machine: Machine
    operator: Operator
    client: Namespace
    password: tuple[str, str]
    """The option that verbs take."""
    before: str


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Lab() as lab:
        machine, client = lab.host("bookworm", name="h"), lab.onlooker("client")
        machine.run("chpasswd", text=f"{SHARED_PASSWORD_USER}:{PASSWORD}\n")
        operator = Operator(tmp_path_factory.mktemp("operator") / "one", machine)
        operator.place(machine, user=SHARED_PASSWORD_USER)
        before = snapshot(machine)
        place_runtime(machine)
        yield World(machine, operator, client, option(operator.folder / "password", PASSWORD), before)


def option(path: Path, password: str) -> tuple[str, str]:
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return ("--sudo-password-file", str(path))


@pytest.fixture
def no_command_line_shows_it() -> Iterator[None]:
    """Look at every process all the time, the host's among them: they are this machine's too."""
    shown, ended = list[str](), threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                line = " ".join(process.info["cmdline"] or [])
                if PASSWORD in line:
                    shown.append(line)

    looking = threading.Thread(target=look)
    looking.start()
    yield
    ended.set()
    looking.join()
    assert shown == []


def refused(world: World, verb: str, *more: str) -> tuple[str, str]:
    running = world.operator.up(*more) if verb == "up" else world.operator.start(verb, *more)
    code, report, told = running.end()
    assert code != 0, told
    return report["error"]["code"], report["error"]["message"] + report["error"]["hint"]


def sudo_failures(machine: Machine) -> int:
    """Return how often a password was refused, by what PAM and sudo wrote."""
    journal = machine.run("journalctl", "--no-pager", "--quiet", "--output=cat", "SYSLOG_IDENTIFIER=sudo").stdout
    return len(re.findall(r"pam_unix\(sudo:auth\): authentication failure", journal))


def test_without_the_password_or_with_a_wrong_one_nothing_is_changed(world: World, tmp_path: Path) -> None:
    code, said = refused(world, "up")
    assert (code, "--sudo-password-file" in said) == ("sudo_password_missing", True), said
    assert sudo_failures(world.machine) == 0
    code, said = refused(world, "up", *option(tmp_path / "wrong", "wrong-word"))
    assert (code, "Nothing was changed" in said, "wrong-word" in said) == ("sudo_refused", True, False), said
    assert sudo_failures(world.machine) == 1  # a further one could lock the account
    code, said = refused(world, "up", "--sudo-password-file", str(tmp_path / "none"))
    assert code == "sudo_password_file", said
    assert snapshot(world.machine).replace("/opt/cloister\n", "") == world.before  # which came with the programs


@pytest.mark.timeout(900)
def test_a_machine_that_loses_its_power_at_ten_points_is_gone_on_with(world: World) -> None:
    for point in POINTS:
        run = world.operator.up(*world.password)
        wait_until(partial(run.has_told, point), 240, 0.02)
        world.machine.kill()
        began = time.monotonic()
        code, report, told = run.end()
        if code == 0:
            raise AssertionError(f"{point}: the host was gone, and nobody saw it: {told[-1000:]}")
        assert (code, report["error"]["code"] in LEFT_BEHIND) == (1, True), (point, report)
        assert report["error"]["hint"]
        assert time.monotonic() - began < 60, point
        world.machine.boot()
    code, report, told = world.operator.up(*world.password).end()
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]
    before = started(world.machine)
    code, report, told = world.operator.up(*world.password).end()
    assert (code, report["changes"]) == (0, {}), told
    assert started(world.machine) == before


def test_every_verb_becomes_root_with_it(world: World, no_command_line_shows_it: None) -> None:
    code, report, told = world.operator.deploy("verify", *world.password)
    assert (code, checks(report, ok=False)) == (0, {}), told
    assert "`deploy rotate cert` renews it" in checks(report, ok=True)["tls.lasts"]
    code, report, told = world.operator.deploy("audit", *world.password)
    assert (code, report["findings"]) == (0, []), told
    code, report, told = world.operator.deploy("logs", "gateway", "-n", "1000", *world.password)
    assert any("Started cloister-gateway" in line for line in report["logs"]["gateway"]), told
    for words in (("cert",), ("ssh-key",)):
        code, report, told = world.operator.deploy("rotate", *words, *world.password)
        assert (code, report["state"]) == (0, "done"), told
    world.operator.deploy("token", "issue", "--client", "me")
    code, report, told = world.operator.deploy("token", "revoke", "--client", "me", *world.password)
    assert (code, len(report.get("revoked", ()))) == (0, 1), (report, told)
    code, report, told = world.operator.deploy("status")  # whoever logs in may know what runs
    assert (code, report["state"]) == (0, "running"), told
    for verb in ("logs", "audit"):
        assert "sudo asks clerk for a password, and none was given" in str(world.operator.deploy(verb)[1]), verb


def test_lines_are_followed_as_they_come_until_ctrl_c_and_nothing_is_left_there(world: World) -> None:
    def following() -> list[str]:
        return [line for line in commands(world.machine) if "--follow" in line]

    for ending, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with world.operator.process("logs", "gateway", "--follow", "-n", "1", *world.password) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert len(following()) > 0
            assert "401" in world.client.run(sys.executable, "-I", "-c", ASK, world.machine.v4).stdout
            assert '"path": "/v1/models", "status": 401' in process.stdout.readline()
            process.send_signal(ending)
            process.communicate(timeout=20)
        assert process.returncode == code
        wait_until(lambda: not following(), 20, 0.1)


def commands(machine: Machine) -> list[str]:
    return machine.run("ps", "-e", "-o", "args=").stdout.splitlines()


def test_the_password_is_kept_nowhere(world: World) -> None:
    machine = world.machine
    where = ("/etc", "/home", "/opt", "/root", "/run", "/tmp", "/usr/local", "/var")
    found = machine.run("grep", "-rlFs", "--devices=skip", "-e", PASSWORD, *where, check=False)
    assert found.stdout == ""
    files = [path for path in world.operator.folder.rglob("*") if path.is_file()]
    assert [str(path) for path in files if PASSWORD.encode() in path.read_bytes()] == [world.password[1]]


def test_the_host_is_given_back_with_it_and_not_without(
    world: World, tmp_path: Path, no_command_line_shows_it: None
) -> None:
    code, report, told = world.operator.deploy("down")
    assert code == 5, told
    assert "none was given" in report["leftovers"][0]["why"], report
    code, report, told = world.operator.deploy("down", *option(tmp_path / "wrong", "wrong-word"))
    assert (code, "does not take the password" in report["leftovers"][0]["why"]) == (5, True), report
    code, report, told = world.operator.deploy("down", *world.password)
    assert code == 0, (str(report) + told)[-3000:]
    assert snapshot(world.machine) == world.before
    assert at_work() == []
