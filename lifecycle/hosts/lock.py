"""One verb at a time on a host, whoever's: a lock that a process on the host holds while it hears from us."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources

import msgspec
import paramiko

from lifecycle.hosts.ssh import CommandStuckError, Connection
from planner.errors import DeployError, LockedError

PATH = "/run/cloister-operator.lock"
BEAT_S = 10.0
SILENCE_S = 60.0
"""A holder that hears nothing for so long gives the lock up: the operator's machine is gone, and the network did not
say so."""
ANSWER_TIMEOUT_S = 20.0


class HostHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a host's lock."""

    operator: str
    """`user@machine`."""
    pid: int
    verb: str
    stack: str
    since: str
    """ISO 8601, UTC."""


class HostLock:
    """A lock that is held on a host."""

    def __init__(self, connection: Connection, channel: paramiko.Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name=f"lock of {connection.host.name}", daemon=True)
        self._beats.start()

    def check(self) -> None:
        """Make sure that it is held still: between two steps somebody else could have taken it.

        Raises:
            CommandStuckError: the connection broke, and with it the lock is lost.

        """
        if self._channel.closed or self._channel.exit_status_ready():
            raise CommandStuckError(
                f"{self._connection.host.name}: the connection that holds the host's lock broke",
                hint="Look whether the host is up, then run the same command again: it goes on from here.",
            )

    def release(self) -> None:
        """End the process that holds it, and wait until it is gone: the next one finds the lock free."""
        self._ended.set()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()
            self._channel.status_event.wait(ANSWER_TIMEOUT_S)
        self._channel.close()
        self._beats.join(ANSWER_TIMEOUT_S)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self._channel.sendall(b".")
            except (OSError, EOFError, paramiko.SSHException):
                return  # `check` says so


@contextlib.contextmanager
def hold_host(connection: Connection, verb: str, stack: str) -> Iterator[HostLock]:
    """Hold a host's lock while a verb works on it.

    Raises:
        LockedError: another operator's verb, or another one of ours, holds it; the message says who, and since when.
        DeployError: the host has no Python, or root is not to be had.

    """
    me = HostHolder(
        operator=f"{getpass.getuser()}@{socket.gethostname()}",
        pid=os.getpid(),
        verb=verb,
        stack=stack,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    program = resources.files("lifecycle.hosts").joinpath("holder.py").read_text(encoding="utf-8")
    words = ("python3", "-I", "-c", program, PATH, msgspec.json.encode(me).decode(), str(SILENCE_S))
    command = as_root(connection, shlex.join(words))
    try:
        into, out, errors = connection.client.exec_command(command, timeout=ANSWER_TIMEOUT_S)
        answer = out.readline().strip()
    except (OSError, EOFError, paramiko.SSHException) as error:
        why = str(error) or type(error).__name__
        raise CommandStuckError(
            f"{connection.host.name}: its lock was asked for, and no answer came ({why})",
            hint="Look whether the host is up, then run the same command again.",
        ) from None
    if answer != "held":
        said = errors.read().decode(errors="replace").strip()
        into.channel.close()
        raise _refused(connection.host.name, answer, said)
    lock = HostLock(connection, into.channel)
    try:
        yield lock
    finally:
        lock.release()


def as_root(connection: Connection, command: str) -> str:
    """Return a shell command as root runs it on the host: sudo asks for no password, which the fit made sure of."""
    return command if connection.host.user == "root" else f"sudo -n {command}"


def _refused(name: str, answer: str, said: str) -> DeployError:
    word, _, note = answer.partition(" ")
    if word != "taken":
        return DeployError(
            f"{name}: its lock cannot be taken: {said or answer or 'no answer'}",
            hint="The login must be root, or use sudo without a password, and the host must have python3.",
            code="host_lock",
        )
    try:
        holder = msgspec.json.decode(note, type=HostHolder)
    except msgspec.MsgspecError:
        who = "somebody"
    else:
        who = (
            f"{holder.operator}: `deploy {holder.verb} --stack {holder.stack}`, pid {holder.pid}, since {holder.since}"
        )
    return LockedError(
        f"{name} is locked by {who}",
        hint="Wait for it to end. A run that died frees the lock by itself, within a minute at most.",
        code="host_locked",
    )
