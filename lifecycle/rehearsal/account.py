"""An emulated account in this process, open to one process of a program at a time."""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec
from werkzeug.serving import make_server

from planner.errors import DeployError
from sandbox.aws.layer import Layer
from sandbox.aws.server import Handler
from sandbox.faults.wire import Injector
from sandbox.handlers.waiting import wait_until

LONGEST_PHASE_S = 300
"""A program that takes longer hangs."""
_POLL_S = 0.02
_FORK = multiprocessing.get_context("fork")
"""Forked processes begin with everything loaded, and leave the account's memory alone."""


class KilledError(Exception):
    """The program's process was killed."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """How a program failed.

    Attributes:
        said: its message, and what it says to do next.
        told: it said so in words, and did not just break.

    """

    said: str
    told: bool


class ProgramError(Exception):
    """The program failed."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.said)
        self.told = failed.told


class OpenAccount:
    """Runs functions in processes of their own, while this process is the account that they call.

    Only one thread lives here between calls of `run`: what is forked then is whole.
    """

    def __init__(self, layer: Layer, listener: socket.socket) -> None:
        self.layer = layer
        self.injector = Injector(layer)
        self._listener = listener

    def run(self, work: Callable[[], Any]) -> Any:
        """Return what a function returns that runs in a process of its own.

        Raises:
            KilledError: its process was killed.
            ProgramError: it raised something.

        """
        receiver, sender = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=answer, args=(sender, work))
        process.start()
        sender.close()
        try:
            with self._open():
                received = self._receive(receiver)
                process.join()
        finally:
            process.kill()
            process.join()
            receiver.close()
        if isinstance(received, Failed):
            raise ProgramError(received)
        return received

    @staticmethod
    def _receive(receiver: Connection) -> Any:
        if not receiver.poll(LONGEST_PHASE_S):
            return Failed(said=f"it did not end within {LONGEST_PHASE_S} s", told=False)
        try:
            return receiver.recv()
        except EOFError:
            raise KilledError from None

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Answer requests; at the end no thread and no request is left over."""
        host, port = self._listener.getsockname()[:2]
        server = make_server(
            host, port, self.injector, threaded=True, request_handler=Handler, fd=self._listener.fileno()
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_S})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            self._turn_away()
            wait_until(lambda: threading.active_count() == 1, "every request has been answered")

    def _turn_away(self) -> None:
        """Close connections that nobody has taken: what the dead asked for is not carried out later."""
        self._listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        try:
            while True:
                self._listener.accept()[0].close()
        except BlockingIOError:
            self._listener.setblocking(True)  # noqa: FBT003 - as above


def answer(sender: Connection, work: Callable[[], Any]) -> None:
    """Run a function and send back what it returns or raises."""
    told: Any
    try:
        told = work()
    except DeployError as error:
        told = Failed(said=f"{error.message}. {error.hint}", told=True)
    except Exception as error:  # noqa: BLE001 - the other process is told what it was
        told = Failed(said=f"{type(error).__name__}: {error}", told=False)
    sender.send(told)
    sender.close()
