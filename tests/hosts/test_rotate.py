"""`deploy rotate` on a booted host, through the command line, while clients of another namespace ask all the time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.hosts.image import OPERATOR
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.person import ROOT, Operator
from tests.hosts.runtime import place_runtime
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("hosts")]

CLIENTS = Path(__file__).with_name("clients.py")
UNITS = ("engine", "gateway", "traefik")
SOMEBODYS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1OQuqU5cmQIGpqYrFPvQ2vqpBvJvZbLT2nC8kJhG0Q"
KEYS = f"/home/{OPERATOR}/.ssh/authorized_keys"


class World(msgspec.Struct):
    """A host that serves, who works on it, and where clients are."""

    machine: Machine
    operator: Operator
    clients: Namespace
    old_token: str = ""
    """Of the signing key that was there first."""

    @property
    def stack(self) -> Path:
        """The stack's folder."""
        return self.operator.folder / "home/stacks/default"

    def rotate(self, *words: str) -> Any:
        """Run `deploy rotate WORDS`, which must succeed."""
        code, report, told = self.operator.deploy("rotate", *words)
        assert code == 0, (str(report) + told)[-3000:]
        return report

    def refused(self, *words: str) -> tuple[int, str]:
        """Run `deploy rotate WORDS`, which must not succeed; return exit code and the error's."""
        code, report, _ = self.operator.deploy("rotate", *words)
        return code, report["error"]["code"]

    def under_way(self) -> list[str]:
        """Return what `deploy status` says is being rotated."""
        return [one["what"] for one in self.operator.deploy("status")[1]["rotations"]]

    def token(self) -> str:
        """Return a token that the signing key of now has signed."""
        return str(self.operator.deploy("token", "issue", "--client", "me", "--ttl", "1h")[1]["token"])

    def status_of(self, token: str, trusted: str) -> int:
        """Ask as a client does that trusts these authorities."""
        trust = ssl.create_default_context(cadata=trusted)
        with httpx.Client(verify=trust, trust_env=False, timeout=20) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return client.get(f"https://{self.machine.v4}/v1/models", headers=headers).status_code

    def started(self) -> str:
        """Return what tells one start of the services from the next."""
        names = [f"cloister-{name}.service" for name in UNITS]
        return self.machine.run("systemctl", "show", "--property=InvocationID", "--value", *names).stdout

    def holds(self, secret: str) -> bool:
        """Tell whether a line stands in any file of the host's own."""
        found = self.machine.run("grep", "-rlFs", "-e", secret, "/etc", "/var", "/opt", "/root", "/tmp", check=False)
        return bool(found.stdout)


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One lab for all tests of this module: they share a host, which serves."""
    with Lab() as lab:
        machine, clients = lab.host("bookworm", name="h"), lab.onlooker("clients")
        place_runtime(machine)
        operator = Operator(tmp_path_factory.mktemp("operator"), machine)
        code, report, told = operator.up().end()
        assert code == 0, (str(report) + told)[-3000:]
        yield World(machine, operator, clients)


def secret_line(key: str) -> str:
    """Return a line of a private key's file that no other file has."""
    return key.splitlines()[1]


def test_everything_is_rotated_and_no_request_is_dropped(world: World, tmp_path: Path) -> None:
    world.old_token = old_token = world.token()
    old_ca = (world.stack / "tls/ca.pem").read_text()
    old_key, started = (world.stack / "tls/leaf.key").read_text(), world.started()
    announced = world.rotate("ca")
    assert (announced["state"], world.rotate("ca")["new"]) == ("under-way", announced["new"])
    assert world.operator.deploy("ca")[1]["others"] == [announced["new"]]
    assert world.refused("ca", "--finish") == (1, "overlap")
    assert world.under_way() == ["ca"]

    shutil.copy(world.stack / "tls/ca.pem", tmp_path / "both.pem")  # what clients were given, once
    (tmp_path / "token").write_text(old_token)
    words = (sys.executable, "-I", str(CLIENTS), world.machine.v4, str(tmp_path / "both.pem"), str(tmp_path / "token"))
    with world.clients.running(*words) as clients:
        assert clients.stdout is not None
        assert clients.stdout.readline() == "served\n"
        assert world.rotate("cert")["state"] == "done"
        assert world.rotate("jwks")["state"] == "under-way"
        assert world.rotate("ssh-key")["state"] == "done"
        finished = world.rotate("ca", "--finish", "--now")
        clients.send_signal(signal.SIGINT)
        seen = json.loads(clients.communicate(timeout=90)[0])
    assert seen["failed"] == []
    assert min(seen["streams"], seen["answers"]) > 20, seen
    assert seen["certificates"] == 3, seen  # the first, that of `cert`, and that of the new authority
    assert world.started() == started

    assert (finished["state"], finished["new"], len(finished["removed"])) == ("done", announced["new"], 1)
    new_ca = (world.stack / "tls/ca.pem").read_text()
    assert new_ca.count("BEGIN CERTIFICATE") == 1
    assert world.status_of(old_token, new_ca) == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        world.status_of(old_token, old_ca)
    assert not world.holds(secret_line(old_key))
    assert world.holds(secret_line((world.stack / "tls/leaf.key").read_text()))


def test_the_old_signing_key_ends_with_its_last_token_or_at_once(world: World) -> None:
    """Goes on where the first test ended: the new key signs, and tokens of the old one are good."""
    trusted, new = (world.stack / "tls/ca.pem").read_text(), world.token()
    assert world.under_way() == ["jwks"]
    assert world.refused("jwks", "--finish") == (1, "overlap")
    assert world.status_of(world.old_token, trusted) == world.status_of(new, trusted) == 200
    finished = world.rotate("jwks", "--finish", "--now")
    assert len(finished["removed"]) == 1
    assert (world.status_of(world.old_token, trusted), world.status_of(new, trusted)) == (401, 200)
    there = json.loads(world.machine.read("/var/lib/cloister/identity/jwks.json"))["keys"]
    assert [key["kid"] for key in there] == [finished["new"]]
    assert world.under_way() == []


def test_a_new_ssh_key_that_is_not_let_in_changes_nothing(world: World, tmp_path: Path) -> None:
    new = tmp_path / "new"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new)), check=True)
    settings = Path(world.machine.root, "etc/ssh/sshd_config.d/zz-test.conf")
    Path(world.machine.root, "etc/ssh/revoked").write_text(new.with_suffix(".pub").read_text())
    settings.write_text("RevokedKeys /etc/ssh/revoked\n")
    world.machine.run("systemctl", "reload", "ssh.service")
    before = world.machine.read(KEYS)
    assert world.refused("ssh-key", "--to", str(new)) == (1, "new_key_refused")
    assert world.machine.read(KEYS) == before
    assert new.is_file()  # it is the person's own
    code, report, told = world.operator.deploy("status")
    assert (code, report["hosts"][0]["state"], report["rotations"]) == (0, "running", []), told
    settings.unlink()
    world.machine.run("systemctl", "reload", "ssh.service")


def test_a_killed_change_of_ssh_keys_goes_on(world: World) -> None:
    others = f"# of somebody else\nno-pty {SOMEBODYS} x\n"
    world.machine.run("sh", "-c", f"cat >>{KEYS}", text=others)
    old = world.machine.read(KEYS).splitlines()[0]
    run = world.operator.start("rotate", "ssh-key")
    wait_until(lambda: run.has_told("new key proven"), 60, 0.05)
    run.kill()
    assert world.under_way() == ["ssh-key"]
    report = world.rotate("ssh-key")
    assert report["state"] == "done"
    kept = world.machine.read(KEYS)
    assert old not in kept
    assert kept.endswith(others)
    assert kept.count("ssh-ed25519") == 2
    assert [path.name for path in sorted((world.operator.folder / "home/keys").iterdir())] == [
        Path(report["file"]).name,
        f"{Path(report['file']).name}.pub",
    ]
    assert world.operator.deploy("status")[1]["state"] == "running"


def test_a_host_that_is_away_keeps_the_old_authority_trusted_until_it_is_back(world: World) -> None:
    old = (world.stack / "tls/ca.pem").read_text()
    world.rotate("ca", "--overlap", "1h")
    world.machine.run("systemctl", "stop", "ssh.service")
    assert world.refused("ca", "--finish", "--now") == (1, "host_unreachable")
    assert (world.stack / "tls/ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
    assert world.status_of("none", old) == 401
    world.machine.run("systemctl", "start", "ssh.service")
    assert world.rotate("ca", "--cancel")["state"] == "cancelled"
    assert (world.stack / "tls/ca.pem").read_text() == old
    assert world.status_of("none", old) == 401


def test_a_shell_on_a_host_is_had_with_the_stacks_key(world: World) -> None:
    code, report, told = world.operator.deploy("ssh", "cl-h", "--json", "--", "sh", "-c", "id -un; exit 3")
    assert (code, report["node"], report["stdout"]) == (3, "cl-h", f"{OPERATOR}\n"), told
    code, report, _ = world.operator.deploy("ssh", "elsewhere", "--json", "--", "true")
    assert (code, report["error"]["code"]) == (2, "no_such_host")
    words = (sys.executable, "-m", "cli", "ssh", "cl-h", "--", "sh", "-c", "cat; exit 7")
    environment = {**os.environ, "CLOISTER_HOME": str(world.operator.folder / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, input="from here", env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (7, "from here"), done.stderr
