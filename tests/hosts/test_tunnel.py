"""`ssh`, `connect`, `tunnel` and Ansible against a real sshd, through a stand-in for the endpoint in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files
from lifecycle.access import NodeAccess
from lifecycle.connecting import ConnectReport, connect
from lifecycle.home import Home
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.playbook import play
from lifecycle.hosts.ssh import HostKeyChangedError, LoginRefusedError
from lifecycle.hosts.ssh import connect as log_in
from lifecycle.profiles import load_profile
from lifecycle.stack import Stack
from lifecycle.tunnel.ephemeral import EphemeralKey
from lifecycle.tunnel.stream import TunnelRefusedError
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.outputs import NodeOutputs, Outputs
from planner.plan import to_json
from planner.progress import Silent
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import IN_A_LAB
from tests.lifecycle.tunnel.standin_account import ACCOUNT, StandInAccount, account_standing_in
from tests.lifecycle.tunnel.standin_endpoint import (
    ADDRESS,
    ENDPOINT_ID,
    StandInEndpoint,
    lead_there,
    standing_in,
)
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
INSTANCE = "i-0123456789abcdef0"
USER = "ubuntu"
SERVER = """
import socket, threading
def echo(near):
    got = b""
    while data := near.recv(65536):
        got += data
    near.sendall(got[::-1])
    near.close()
listener = socket.create_server(("10.0.1.10", 443))
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],)).start()
"""
"""Answers with all that it was sent, backwards, once its client has ended: what a half-closed connection is for."""


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    warn = note


@dataclass
class Stage:
    """A stack of one node: a booted host with a real sshd, and stand-ins for what AWS has in front of it."""

    machine: Machine
    endpoint: StandInEndpoint
    account: StandInAccount
    home: Path
    heard: Heard = field(default_factory=Heard)

    @property
    def stack(self) -> Stack:
        return Stack.load(Home(self.home).stack("team"))

    @property
    def access(self) -> NodeAccess:
        return NodeAccess.of(self.stack, self.heard)

    @property
    def node(self) -> str:
        return self.stack.plan.nodes[0].name

    @property
    def pins(self) -> Path:
        return self.home / "stacks/team/known_hosts"

    def cli(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "cli", *words)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False, **options)


@pytest.fixture(scope="module")
def lab(can_boot: None) -> Iterator[Lab]:
    """One lab for all tests here: what each changes on its host, it takes back."""
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Machine:
    """A node: with the user of AWS's image, and an address that only its own network knows."""
    machine = lab.host("bookworm")
    make_login(machine)
    machine.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    return machine


def make_login(machine: Machine) -> Callable[[str, str], None]:
    """Make the user of AWS's image on a host, and return what lets a key of theirs in."""
    machine.run("useradd", "--create-home", "--shell", "/bin/bash", USER)
    machine.run("sh", "-c", f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}")
    machine.run("install", "-d", "-m", "700", "-o", USER, "-g", USER, f"/home/{USER}/.ssh")
    return lambda user, line: let_in(machine, user, line)


def let_in(machine: Machine, user: str, line: str) -> None:
    """Put a line into the `authorized_keys` of the image's user."""
    assert user == USER
    path = f"/home/{USER}/.ssh/authorized_keys"
    machine.run("sh", "-c", f"cat > {path} && chown {USER}:{USER} {path}", text=line)


@pytest.fixture
def site(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    home = tmp_path / "home"
    write_stack(home)
    with (
        standing_in(tmp_path / "endpoint", (machine.v4, 22)) as endpoint,
        account_standing_in(partial(let_in, machine), console_of(machine)) as account,
    ):
        lead_there(monkeypatch, endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        monkeypatch.setenv("CLOISTER_HOME", str(home))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield Stage(machine, endpoint, account, home)


def write_stack(home: Path) -> None:
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="team", target="aws"))
    plan = msgspec.structs.replace(plan, account=msgspec.structs.replace(plan.account, number=ACCOUNT))
    nodes = (NodeOutputs(name=plan.nodes[0].name, instance_id=INSTANCE, private_ip=ADDRESS, availability_zone="a"),)
    outputs = Outputs(
        vpc_id="vpc-1",
        private_subnet_ids=("subnet-1",),
        node_security_group_id="sg-1",
        kms_key_arn="arn:aws:kms:us-east-2:123456789012:key/1",
        instance_connect_endpoint_id=ENDPOINT_ID,
        bundle_bucket="bundle",
        nodes=nodes,
    )
    place = Home(home).stack("team")
    files.make_private_folder(place.folder)
    files.write(place.plan, to_json(plan))
    files.write(place.outputs, msgspec.json.encode(outputs))


def console_of(machine: Machine, *, keys: bool = True) -> str:
    """Show the host's keys as cloud-init does: its script is a few lines around these two programs."""
    public = "/etc/ssh/ssh_host_ed25519_key.pub"
    shown = machine.run("ssh-keygen", "-l", "-f", public).stdout
    text = f"ec2: -----BEGIN SSH HOST KEY FINGERPRINTS-----\nec2: {shown}-----END SSH HOST KEY FINGERPRINTS-----\n"
    block = f"-----BEGIN SSH HOST KEY KEYS-----\n{machine.read(public)}-----END SSH HOST KEY KEYS-----\n"
    return f"Linux version 6.8\n{text}{block if keys else ''}{machine.name} login: "


# ssh


def test_a_command_runs_on_the_node_and_its_output_and_code_come_back(site: Stage) -> None:
    done = site.cli("ssh", site.node, "--stack", "team", "--json", "--", "sh", "-c", "id -un; echo 'a  b' >&2; exit 3")
    assert done.returncode == 3, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["node"], report["code"], report["stdout"], report["stderr"]) == (site.node, 3, f"{USER}\n", "a  b\n")
    assert site.endpoint.refusals == []
    assert site.account.asked[0] == "sts:GetCallerIdentity"
    assert site.account.asked.index("ec2:GetConsoleOutput") < site.account.asked.index(
        "ec2-instance-connect:SendSSHPublicKey"
    )
    wait_until(lambda: site.endpoint.closes == [1000])
    assert site.pins.read_text() == f"{INSTANCE}-22 {site.machine.host_key}\n"


def test_openssh_goes_through_the_same_tunnel(site: Stage) -> None:
    done = site.cli("ssh", site.node, "--stack", "team", "--", "sh", "-c", "cat; exit 7", input="from our side")
    assert (done.returncode, done.stdout) == (7, "from our side"), done.stderr
    assert site.endpoint.refusals == []
    assert len(site.endpoint.asked) == 1
    assert site.account.users == [USER]
    assert not list(Path(tempfile.gettempdir()).glob("cl-key-*"))
    wait_until(lambda: site.endpoint.closes == [1000])


def test_a_terminal_gets_a_shell_and_ctrl_c_reaches_the_far_side(site: Stage) -> None:
    site.access.pin(site.access.node())
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "cli", "ssh", "--stack", "team")
    with subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as shell:
        os.close(theirs)
        seen = read_until(ours, b"$ ")
        os.write(ours, b"tty; sleep 600\n")
        seen += read_until(ours, b"/dev/pts/")
        os.write(ours, b"\x03")
        seen += read_until(ours, b"$ ")
        os.write(ours, b"exit 5\n")
        assert shell.wait(20) == 5, seen
    os.close(ours)
    wait_until(lambda: site.endpoint.closes == [1000])


def read_until(terminal: int, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        assert select.select([terminal], [], [], 90)[0], seen
        seen += os.read(terminal, 4096)
    return seen


def test_a_tunnel_on_standard_input_and_output_ends_with_its_input(site: Stage) -> None:
    done = site.cli("tunnel", site.node, "--stack", "team", input="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SSH-2.0-OpenSSH")
    wait_until(lambda: site.endpoint.closes == [1000])
    assert site.account.users == []  # no key was named, so none was let in


def test_another_host_key_stops_both_ways_before_anything_is_sent(site: Stage) -> None:
    before = site.machine.run("journalctl", "--unit=ssh", "--output=cat").stdout.count("Accepted")
    other = EphemeralKey().public
    Pins(site.pins).pin((site.access.node(),), other)
    done = site.cli("ssh", site.node, "--stack", "team", "--json", "--", "id")
    assert json.loads(done.stdout)["error"]["code"] == "host_key_changed"
    done = site.cli("ssh", site.node, "--stack", "team", "--", "id")
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert site.pins.read_text().endswith(f"{other}\n")
    assert site.machine.run("journalctl", "--unit=ssh", "--output=cat").stdout.count("Accepted") == before


def test_a_console_of_another_machine_stops_the_first_connection(site: Stage) -> None:
    site.account.console = site.account.console.replace(site.machine.host_key, EphemeralKey().public)
    with site.access.login((site.access.node(),)) as login, pytest.raises(HostKeyChangedError):
        log_in((site.access.node(),), login).__enter__()


def test_fingerprints_alone_will_do_and_a_wrong_one_will_not(site: Stage) -> None:
    site.account.console = console_of(site.machine, keys=False)
    assert site.access.pin(site.access.node()) == site.machine.host_key
    site.pins.unlink()
    site.machine.make_host_key()
    site.machine.run("systemctl", "restart", "ssh")
    with pytest.raises(HostKeyChangedError, match="its console another"):
        site.access.pin(site.access.node())
    assert not site.pins.exists()


def test_a_key_is_let_in_for_its_time_and_no_longer(site: Stage) -> None:
    site.account.valid_for = timedelta(seconds=-5)
    host = site.access.node()
    with site.access.login((host,)) as login, pytest.raises(LoginRefusedError), log_in((host,), login):
        pass


def test_another_account_and_another_target_are_refused(site: Stage) -> None:
    plan = site.stack.plan
    account = msgspec.structs.replace(plan.account, number="210987654321")
    files.write(site.stack.home.plan, to_json(msgspec.structs.replace(plan, account=account)))
    with pytest.raises(DeployError, match="of account 123456789012"):
        site.access  # noqa: B018 - reading it is the attempt
    files.write(site.stack.home.plan, to_json(msgspec.structs.replace(plan, target="sandbox")))
    done = site.cli("connect", "--stack", "team", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "not_on_aws")
    assert site.endpoint.asked == []


# Ansible and OpenSSH's own configuration


def test_ansible_goes_through_the_tunnel(site: Stage) -> None:
    access = site.access
    with access.login(access.inventory.host, as_files=True) as login:
        outcome = play("prepare", access.inventory, login, IN_A_LAB, Silent(), check=True, parts=("base",))
    assert outcome.hosts[site.node].ok > 0
    assert outcome.hosts[site.node].unreachable == 0
    assert len(site.endpoint.asked) == 1  # one connection carries all tasks
    assert site.endpoint.refusals == []
    assert site.account.users == [USER]
    wait_until(lambda: site.endpoint.closes == [1000])


def test_an_openssh_configuration_of_ones_own(site: Stage, tmp_path: Path) -> None:
    key = tmp_path / "own"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    done = site.cli("tunnel", site.node, "--stack", "team", "--public-key", f"{key}.pub", "--json")
    said = json.loads(done.stdout)
    assert (said["node"], said["user"]) == (site.node, USER)
    assert site.account.users == []  # nothing was opened
    (tmp_path / "config").write_text(said["ssh_config"])
    ssh = (str(shutil.which("ssh")), "-F", str(tmp_path / "config"), "-i", str(key), site.node, "id -un")
    ran = subprocess.run(ssh, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"{USER}\n"), ran.stderr
    Pins(site.pins).pin((site.access.node(),), EphemeralKey().public)
    ran = subprocess.run(ssh, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (255, "")


# connect


@contextlib.contextmanager
def connected(site: Stage, port: int = 0) -> Iterator[ConnectReport]:
    """Have `connect` run in a thread, as long as the block does."""
    reports: list[ConnectReport] = []
    until, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            connect(site.stack, site.access, port, site.heard, ready=reports.append, until=until)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: bool(reports or failed), 30)
        assert not failed
        yield reports[0]
    finally:
        until.set()
        thread.join(30)
    assert not thread.is_alive()


@contextlib.contextmanager
def answering(site: Stage) -> Iterator[None]:
    """Have the node serve on its gateway's port."""
    site.machine.run("systemd-run", "--unit=answering", "/usr/bin/python3", "-c", SERVER)
    try:
        wait_until(lambda: f"{ADDRESS}:443 " in site.machine.run("ss", "-ltn").stdout, 20)
        yield
    finally:
        site.machine.run("systemctl", "stop", "answering")


def backwards(port: int, data: bytes) -> bytes:
    got = bytearray()
    with socket.create_connection(("127.0.0.1", port), 20) as near:
        near.sendall(data)
        near.shutdown(socket.SHUT_WR)
        while chunk := near.recv(65_536):
            got += chunk
    return bytes(got)


def test_the_endpoint_answers_on_a_local_port_and_each_direction_has_its_own_end(site: Stage) -> None:
    with answering(site), connected(site) as report:
        assert report.url == f"https://127.0.0.1:{report.port}"
        data = os.urandom(2_000_000)
        assert backwards(report.port, data) == data[::-1]
        several = [threading.Thread(target=backwards, args=(report.port, b"x" * 1000)) for _ in range(25)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join(20)
        assert len(site.endpoint.asked) == 1  # one tunnel carries them all
    wait_until(lambda: site.endpoint.closes == [1000])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", report.port), 1)


@pytest.mark.parametrize("politely", [True, False])
def test_the_port_stays_open_when_the_tunnel_ends(site: Stage, politely: bool) -> None:
    with answering(site), connected(site) as report:
        assert backwards(report.port, b"first") == b"tsrif"
        site.endpoint.cut_all(politely=politely)
        assert backwards(report.port, b"second") == b"dnoces"
    assert len(site.endpoint.asked) == 2
    assert site.account.users == [USER, USER]
    assert any("the port stays open, connecting again" in said for said in site.heard.said)
    assert "connected again" in site.heard.said
    if politely:
        assert any("Tunnel duration exceeded" in said for said in site.heard.said)


def test_a_full_endpoint_is_waited_for(site: Stage) -> None:
    with answering(site), connected(site) as report:
        site.endpoint.most = 0
        site.endpoint.cut_all()
        wait_until(lambda: any("trying again" in said for said in site.heard.said), 20)
        site.endpoint.most = 20
        assert backwards(report.port, b"again") == b"niaga"


def test_a_tunnel_that_does_not_come_back_is_the_end(site: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.tunnel.forwarding.ATTEMPTS", 2)
    monkeypatch.setattr("lifecycle.tunnel.reach.TRY_AGAIN_AFTER_S", ())

    def cut(report: ConnectReport) -> None:
        site.endpoint.most = 0
        site.endpoint.cut_all()

    with pytest.raises(TunnelRefusedError, match="429"):
        connect(site.stack, site.access, 0, site.heard, ready=cut)
    assert sum("trying again" in said for said in site.heard.said) == 1


def test_another_machine_after_the_tunnels_end_is_the_end(site: Stage) -> None:
    def replace(report: ConnectReport) -> None:
        site.machine.make_host_key()
        site.machine.run("systemctl", "restart", "ssh")
        site.endpoint.cut_all()

    with pytest.raises(HostKeyChangedError):
        connect(site.stack, site.access, 0, site.heard, ready=replace)


def test_new_connections_get_a_new_tunnel_before_the_old_one_ends(site: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.connecting.RENEW_AFTER_S", 2.0)
    with (
        answering(site),
        connected(site) as report,
        socket.create_connection(("127.0.0.1", report.port), 20) as old,
    ):
        old.sendall(b"through the ")
        wait_until(lambda: len(site.endpoint.asked) >= 2, 20)
        assert backwards(report.port, b"new") == b"wen"
        old.sendall(b"old")
        old.shutdown(socket.SHUT_WR)
        assert old.recv(100) == b"dlo eht hguorht"


def test_a_service_that_is_not_there_is_told_and_the_port_stays(site: Stage) -> None:
    with connected(site) as report:
        assert backwards(report.port, b"") == b""
        wait_until(lambda: any(f"nothing answers at {ADDRESS}:443" in said for said in site.heard.said))
        with answering(site):
            assert backwards(report.port, b"now") == b"won"


def test_ctrl_c_closes_in_order(site: Stage) -> None:
    process = subprocess.Popen(
        (sys.executable, "-m", "cli", "connect", "--stack", "team", "--port", "0", "--json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            text += line
        report = json.loads(text)
        assert report["node"] == site.node
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "closed" in err
    wait_until(lambda: site.endpoint.closes == [1000])


def test_a_port_that_is_taken_is_told(site: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = site.cli("connect", "--stack", "team", "--port", str(taken.getsockname()[1]), "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "port_taken")
