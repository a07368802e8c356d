"""A local port that leads to a port of a node, over SSH, for as long as somebody wants: tunnels end, the port stays."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import paramiko

from lifecycle.hosts.ssh import CommandStuckError, Connection, UnreachableError, transport_of
from lifecycle.tunnel.endpoint import LONGEST_S
from lifecycle.tunnel.stream import TunnelRefusedError
from planner.errors import DeployError, UsageError
from planner.progress import Progress

LOOK_EVERY_S = 0.2
"""How often a lost tunnel is looked for."""
RENEW_AFTER_S = LONGEST_S - 120.0
"""Age at which new connections get a new tunnel, and the old one is left to those that it has."""
MOST_CONNECTIONS = 64
"""Local connections at a time; further ones wait in the system's queue."""
OPEN_TIMEOUT_S = 15.0
CHUNK = 32_768
LONGEST_WAIT_S = 30.0
ATTEMPTS = 8
"""Attempts to get a tunnel again before it is given up: about two minutes."""
_MAY_PASS = (CommandStuckError, TunnelRefusedError, UnreachableError)
"""What may be otherwise a little later; another host key or missing permission is not."""

Dial = Callable[[], AbstractContextManager[Connection]]
Ends = socket.socket | paramiko.Channel


def listen(port: int) -> socket.socket:
    """Open a port of this machine's loopback address; 0 takes a free one.

    Raises:
        UsageError: it is taken, or not ours to take.

    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"port {port} of this machine cannot be used: {error.strerror}",
            hint="Choose another one with --port; 0 takes a free one.",
            code="port_taken",
        ) from None


class _Link:
    """A login that carries connections."""

    def __init__(self, dial: Dial) -> None:
        self.opened = contextlib.ExitStack()
        self.connection = self.opened.enter_context(dial())
        self.since = time.monotonic()
        self.carried: set[threading.Thread] = set()

    @property
    def is_alive(self) -> bool:
        return transport_of(self.connection.client).is_active()

    @property
    def is_idle(self) -> bool:
        return not any(thread.is_alive() for thread in self.carried)

    def why_ended(self) -> str:
        """Return what ended it, in words."""
        failure = getattr(transport_of(self.connection.client).sock, "failure", None)
        return failure.message if isinstance(failure, DeployError) else "the SSH connection ended"


class Forwarding:
    """Carries connections of a local port to a port of a node."""

    def __init__(
        self,
        listener: socket.socket,
        dial: Dial,
        to: tuple[str, int],
        progress: Progress,
        *,
        renew_after_s: float,
    ) -> None:
        self._listener = listener
        self._dial = dial
        self._to = to
        self._progress = progress
        self._renew_after_s = renew_after_s
        self._places = threading.Semaphore(MOST_CONNECTIONS)

    def run(self, ready: Callable[[], None], until: threading.Event) -> None:
        """Carry until `until` is set, or Ctrl-C.

        Args:
            ready: called once, when the first tunnel stands.
            until: ends it.

        Raises:
            DeployError: no tunnel is to be had, at first or again.

        """
        self._listener.settimeout(LOOK_EVERY_S)
        with contextlib.ExitStack() as opened:
            link = _Link(self._dial)
            opened.push(link.opened)
            old: list[_Link] = []
            ready()
            while not until.is_set():
                if not link.is_alive or time.monotonic() - link.since >= self._renew_after_s:
                    old.append(link)
                    link = self._next(link, until)
                    opened.push(link.opened)
                old = [each for each in old if not _ended(each)]
                self._accept(link)

    def _next(self, link: _Link, until: threading.Event) -> _Link:
        """Get a new tunnel in the place of one that ended, or soon will."""
        if link.is_alive:
            self._progress.note("the tunnel is nearly as old as it may be: new connections go through a new one")
        else:
            self._progress.warn(f"{link.why_ended()}; the port stays open, connecting again")
        for attempt in range(ATTEMPTS):
            try:
                made = _Link(self._dial)
            except _MAY_PASS as error:
                if attempt == ATTEMPTS - 1:
                    raise
                wait_s = min(2.0**attempt, LONGEST_WAIT_S)
                self._progress.note(f"{error.message}; trying again in {wait_s:.0f} s")
                if until.wait(wait_s):
                    raise
            else:
                self._progress.note("connected again")
                return made
        raise AssertionError("the last attempt returns or raises")

    def _accept(self, link: _Link) -> None:
        if not self._places.acquire(timeout=LOOK_EVERY_S):
            return
        try:
            near, peer = self._listener.accept()
        except TimeoutError:
            self._places.release()
            return
        thread = threading.Thread(target=self._carry, args=(near, peer, link), daemon=True)
        link.carried = {each for each in link.carried if each.is_alive()} | {thread}
        thread.start()

    def _carry(self, near: socket.socket, peer: tuple[str, int], link: _Link) -> None:
        """Carry one connection, each direction to its own end."""
        with contextlib.closing(near):
            try:
                transport = transport_of(link.connection.client)
                far = transport.open_channel("direct-tcpip", self._to, peer, timeout=OPEN_TIMEOUT_S)
            except (OSError, EOFError, paramiko.SSHException) as error:
                address, port = self._to
                self._progress.warn(f"nothing answers at {address}:{port} on the node's side ({error})")
                self._places.release()
                return
            with contextlib.closing(far), contextlib.suppress(OSError, EOFError):
                back = threading.Thread(
                    target=_pump, args=(far, near, lambda: near.shutdown(socket.SHUT_WR)), daemon=True
                )
                back.start()
                _pump(near, far, far.shutdown_write)
                back.join()
        self._places.release()


def _pump(source: Ends, sink: Ends, end: Callable[[], None]) -> None:
    """Carry one direction to its end, and pass the end on."""
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
        end()


def _ended(link: _Link) -> bool:
    """Close an old link that nobody needs any more, and tell whether that is so."""
    if link.is_alive and not link.is_idle:
        return False
    link.opened.close()
    return True
