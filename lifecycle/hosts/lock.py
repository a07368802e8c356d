"""One verb at a time on a host, whoever's: a lock that a process on the host holds while it hears from us."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources

import msgspec
import paramiko

from lifecycle.hosts.ssh import CommandStuckError, Connection
from lifecycle.hosts.sudo import refuse_missing
from planner.errors import DeployError, LockedError

PATH = "/run/cloister-operator.lock"
BEAT_S = 10.0
SILENCE_S = 60.0
"""A holder that hears nothing for so long gives the lock up: the operator's machine is gone, and the network did not
say so."""
SETTLE_S = 10.0
"""How long what a lost operator had begun may take to end on the host, before it is noted what it changed."""
GOODBYE = b"q"
HELD, TAKEN = "held", "taken"
"""Answers; behind the second stands who has it, and nothing where nobody does any more."""
NO_PYTHON = re.compile("python3.*not found|python3.*No such file")
"""What a shell and sudo say where there is none."""
ASK_AGAIN_S = 0.5
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

    def __init__(self, connection: Connection, into: paramiko.ChannelFile) -> None:
        self._connection = connection
        self._into = into  # the channel's way there is closed when nobody has this any more
        self._channel = into.channel
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
            self._channel.sendall(GOODBYE)
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
    lock = HostLock(connection, _take(connection, me))
    try:
        yield lock
    finally:
        lock.release()


def _take(connection: Connection, me: HostHolder) -> paramiko.ChannelFile:
    """Start what holds the lock, and wait while a run that was lost is being wound up there."""
    ours = resources.files("lifecycle.hosts")
    program, script = (ours.joinpath(name).read_text(encoding="utf-8") for name in ("holder.py", "state.sh"))
    words = (program, PATH, msgspec.json.encode(me).decode(), script, str(SILENCE_S), str(SETTLE_S))
    rooted = connection.as_root(shlex.join(("python3", "-I", "-c", *words)))
    deadline = time.monotonic() + 2 * SETTLE_S + ANSWER_TIMEOUT_S
    while True:
        try:
            into, out, errors = connection.client.exec_command(rooted.command, timeout=ANSWER_TIMEOUT_S)
            into.channel.sendall(rooted.begins.encode())
            answer = out.readline().strip()
            said = "" if answer else errors.read().decode(errors="replace").strip()
        except (OSError, EOFError, paramiko.SSHException) as error:
            why = str(error) or type(error).__name__
            raise CommandStuckError(
                f"{connection.host.name}: its lock was asked for, and no answer came ({why})",
                hint="Look whether the host is up, then run the same command again.",
            ) from None
        if answer == HELD:
            return into
        into.channel.close()
        refuse_missing(connection.host, said)
        if answer != TAKEN or time.monotonic() > deadline:
            raise _refused(connection.host.name, answer, said)
        time.sleep(ASK_AGAIN_S)


def _refused(name: str, answer: str, said: str) -> DeployError:
    if NO_PYTHON.search(said):
        return DeployError(
            f"{name}: Python is not on the host ({said})",
            hint="Install it there (`apt-get install python3`), then run the same command again. Nothing was changed.",
            code="host_without_python",
        )
    word, _, note = answer.partition(" ")
    if word != TAKEN:
        return DeployError(
            f"{name}: its lock cannot be taken: {said or answer or 'no answer'}",
            hint="The login must be root, or may use sudo, and the host must have python3.",
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
