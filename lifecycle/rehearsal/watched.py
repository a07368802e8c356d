"""An emulated account in this process that halts at every call, so that it can be forked there."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import msgspec
from werkzeug.serving import make_server

from lifecycle.rehearsal.account import Failed, KilledError, ProgramError, answer
from lifecycle.rehearsal.records import KILL_AFTER, KILL_BEFORE
from sandbox.aws import wire
from sandbox.aws.layer import Layer
from sandbox.aws.server import Handler
from sandbox.faults.calls import name_of
from sandbox.faults.catalogue import changes
from sandbox.handlers import waiting

LONGEST_LIFE_S = 7200.0
"""How long a program waits that is watched: other runs go on at each of its calls."""
_FORK = multiprocessing.get_context("fork")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A moment between two changes of the account.

    Attributes:
        fault: `KILL_BEFORE` or `KILL_AFTER`: where it is, seen from the call.
        call: `service:Operation`.
        nth: which of the operation's calls in this life, from 1.
        changes: how many calls have changed the account until now.

    """

    fault: str
    call: str
    nth: int
    changes: int


class Watcher(Protocol):
    """Who is told of moments."""

    def at(self, moment: Moment) -> None:
        """See a moment; the account does nothing until this returns."""

    @property
    def sources(self) -> list[Connection]:
        """What it waits for beside."""

    def collect(self, ready: list[Any]) -> None:
        """Take what has come from its sources."""


class WatchedAccount:
    """Runs functions in a process of its own, and answers their calls in the only thread of this one.

    With one thread, and one call at a time, a fork at a call has all of the account as it is then.
    """

    def __init__(self, layer: Layer, listener: socket.socket, watcher: Watcher) -> None:
        self._layer = layer
        self._listener = listener
        self._watcher = watcher
        self._seen: Counter[str] = Counter()
        self._changes = 0
        self._process: BaseProcess | None = None
        self._broken: Exception | None = None

    def run(self, work: Callable[[], Any]) -> Any:
        """Return what a function returns that runs in a process of its own.

        Raises:
            KilledError: its process ended without an answer.
            ProgramError: it raised something.

        """
        receiver, sender = _FORK.Pipe(duplex=False)
        process = self._process = _FORK.Process(target=answer, args=(sender, lambda: _patiently(work)))
        process.start()
        sender.close()
        host, port = self._listener.getsockname()[:2]
        server = make_server(
            host, port, self._halting, threaded=False, request_handler=Handler, fd=self._listener.fileno()
        )
        try:
            while True:
                ready = wait([self._listener, receiver, *self._watcher.sources])
                self._watcher.collect(ready)
                if receiver in ready:
                    break
                if self._listener in ready:
                    server.handle_request()
                if self._broken:  # the server would answer it as any other error of an application
                    raise self._broken
            result = receiver.recv()
        except EOFError:
            raise KilledError from None
        finally:
            process.kill()
            process.join()
            server.server_close()
            receiver.close()
        if isinstance(result, Failed):
            raise ProgramError(result)
        return result

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the process that runs, all threads of it: its files stay as a kill would leave them."""
        if self._process is None or self._process.pid is None:
            raise ValueError("nothing runs")
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _halting(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, and halt before it, and after it where it may have changed something."""
        message = wire.read(environ)
        if message is None:
            return self._layer(environ, start_response)
        call = name_of(message)
        environ["wsgi.input"] = io.BytesIO(message.body)  # to be read again
        self._seen[call] += 1
        self._halt(KILL_BEFORE, call)
        answered = self._layer(environ, start_response)
        if changes(call):
            self._changes += 1
            self._halt(KILL_AFTER, call)
        return answered

    def _halt(self, fault: str, call: str) -> None:
        nth = self._seen[call]
        try:
            self._watcher.at(Moment(fault=fault, call=call, nth=nth, changes=self._changes))
        except Exception as error:
            self._broken = error
            raise


def _patiently(work: Callable[[], Any]) -> Any:
    """Do something without ever giving up on the account."""
    waiting.PATIENCE_S = LONGEST_LIFE_S
    return work()
