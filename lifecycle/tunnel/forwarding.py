"""A local port that leads to a port of a node, over SSH, for as long as somebody wants: tunnels end, the port stays."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
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
WAIT_FOR_LINK_S = 60.0
"""How long a local connection waits for a new tunnel, in seconds."""
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
        self.carried = 0

    @property
    def is_alive(self) -> bool:
        return transport_of(self.connection.client).is_active()

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
        self._link: _Link | None = None
        self._changed = threading.Condition()
        """Guards `_link`, and how many connections each link carries."""

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
            link, old = self._take(_Link(self._dial), opened), list[_Link]()
            ready()
            while not until.is_set():
                if not link.is_alive or time.monotonic() - link.since >= self._renew_after_s:
                    old.append(link)
                    link = self._take(self._next(link, until), opened)
                old = [each for each in old if not self._is_over(each)]
                self._accept()

    def _take(self, link: _Link, opened: contextlib.ExitStack) -> _Link:
        """Have new connections go through a link from now on."""
        opened.push(link.opened)
        with self._changed:
            self._link = link
            self._changed.notify_all()
        return link

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

    def _accept(self) -> None:
        if not self._places.acquire(timeout=LOOK_EVERY_S):
            return
        try:
            near, peer = self._listener.accept()
        except TimeoutError:
            self._places.release()
            return
        threading.Thread(target=self._carry, args=(near, peer), daemon=True).start()

    def _carry(self, near: socket.socket, peer: tuple[str, int]) -> None:
        """Carry one connection, each direction to its own end."""
        with contextlib.ExitStack() as at_the_end:
            at_the_end.callback(self._places.release)
            at_the_end.enter_context(contextlib.closing(near))
            far = at_the_end.enter_context(self._far(peer))
            if far is None:
                return
            end = functools.partial(near.shutdown, socket.SHUT_WR)
            back = threading.Thread(target=_pump, args=(far, near, end), daemon=True)
            back.start()
            _pump(near, far, far.shutdown_write)
            back.join()

    @contextlib.contextmanager
    def _far(self, peer: tuple[str, int]) -> Iterator[paramiko.Channel | None]:
        """Open the node's side of a connection, through the next link where this one has just ended; None: no such."""
        link: _Link | None = None
        channel: paramiko.Channel | None = None
        with contextlib.suppress(paramiko.ChannelException):
            while channel is None and (link := self._after(link)) is not None:
                channel = self._open(link, peer)
        try:
            yield channel
        finally:
            if channel is not None and link is not None:
                channel.close()
                self._let_go(link)

    def _open(self, link: _Link, peer: tuple[str, int]) -> paramiko.Channel | None:
        """Open a channel; None where the link is no longer one.

        Raises:
            paramiko.ChannelException: the node refuses.

        """
        try:
            transport = transport_of(link.connection.client)
            return transport.open_channel("direct-tcpip", self._to, peer, timeout=OPEN_TIMEOUT_S)
        except paramiko.ChannelException as error:
            self._let_go(link)
            address, port = self._to
            self._progress.warn(f"nothing answers at {address}:{port} on the node's side ({error})")
            raise
        except (OSError, EOFError, paramiko.SSHException):
            self._let_go(link)
            return None

    def _after(self, former: _Link | None) -> _Link | None:
        """Return the link that is used now, once it is another than the former one; None if there is none in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._link is not former, WAIT_FOR_LINK_S):
                return None
            link = self._link
            if link is not None:
                link.carried += 1
            return link

    def _let_go(self, link: _Link) -> None:
        with self._changed:
            link.carried -= 1

    def _is_over(self, link: _Link) -> bool:
        """Close an old link that nobody needs any more, and tell whether that is so."""
        with self._changed:
            if link.is_alive and link.carried:
                return False
        link.opened.close()
        return True


def _pump(source: Ends, sink: Ends, end: Callable[[], None]) -> None:
    """Carry one direction to its end, and pass the end on."""
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
        end()
