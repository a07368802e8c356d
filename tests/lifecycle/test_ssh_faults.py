"""Servers that hang or drop a connection are given up in bounded time, and passwords come from where nobody reads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.hosts import ssh
from lifecycle.hosts.faults import FAULTS, UNKNOWN, explained
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.ssh import Login, UnreachableError, connect
from lifecycle.hosts.sudo import SudoPasswordFileError, password_in

BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"


@contextlib.contextmanager
def server(says: bytes, *, drops: bool) -> Iterator[Host]:
    """Listen on loopback; say so much to whoever comes, then hang, or drop the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as held:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.sendall(says)
                    if drops:
                        connection.close()
                    else:
                        held.callback(connection.close)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Host(name="h", address="127.0.0.1", port=listening.getsockname()[1], user="ops")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("says", [b"", BANNER], ids=["silent", "after the banner"])
@pytest.mark.parametrize("drops", [True, False], ids=["drops", "hangs"])
def test_a_server_that_hangs_or_drops_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bytes, drops: bool
) -> None:
    monkeypatch.setattr(ssh, "LOGIN_TIMEOUT_S", 0.5)
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", 0.5)
    how = Login(pins=Pins(tmp_path / "known_hosts"), confirm=lambda host, shown: False)
    began = time.monotonic()
    with server(says, drops=drops) as host, pytest.raises(UnreachableError) as failed, connect((host,), how):
        pass
    assert time.monotonic() - began < 10
    assert "does not speak SSH as it should" in failed.value.message
    assert "an SSH server listens there" in failed.value.hint


SAID = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED!": "another machine answers there",
    "Incorrect sudo password": "sudo did not take",
    "Missing sudo password": "none was given",
    "ops is not in the sudoers file.": "may not become root",
    "/bin/sh: 1: /usr/bin/python3: not found": "Python is not on the host",
    "[Errno 30] Read-only file system: '/etc/x'": "read-only",
    "write failed: No space left on device": "is full",
    "Could not get lock /var/lib/dpkg/lock-frontend": "another program installs packages",
    "ops@192.0.2.1: Permission denied (publickey).": "does not let this user in",
    "ssh: connect to host 192.0.2.1 port 22: Connection timed out": "cannot be reached",
    "Timeout, server 192.0.2.1 not responding.": "cannot be reached",
}


@pytest.mark.parametrize(("said", "means"), SAID.items())
def test_what_is_said_is_explained(said: str, means: str) -> None:
    fault = explained(said)
    assert means in fault.means
    assert fault.next.endswith(".")


def test_every_fault_is_met_and_the_unknown_says_what_stays() -> None:
    assert {explained(said) for said in SAID} == set(FAULTS)
    assert explained("the sky fell") is UNKNOWN
    assert "What was done before stays" in UNKNOWN.next


def test_a_password_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(SudoPasswordFileError, match="cannot be read"):
        password_in(path)
    path.write_text("first line\nsecond\n")
    path.chmod(0o640)
    with pytest.raises(SudoPasswordFileError, match="others than you"):
        password_in(path)
    path.chmod(0o600)
    assert password_in(path) == "first line"
    path.write_text("\n")
    with pytest.raises(SudoPasswordFileError, match="empty"):
        password_in(path)
