"""Faults at the wire: a WSGI application between the network and the account, which may cut the connection itself."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from sandbox.aws import wire
from sandbox.faults.calls import name_of
from sandbox.faults.catalogue import Fault

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER, on and zero seconds: closing sends RST, not FIN."""


_ERRORS = {
    "autoscaling": ("xml", "<ErrorResponse>{}</ErrorResponse>"),
    "ec2": ("xml", "<Response><Errors>{}</Errors></Response>"),
    "elasticloadbalancing": ("xml", "<ErrorResponse>{}</ErrorResponse>"),
    "iam": ("xml", "<ErrorResponse>{}</ErrorResponse>"),
    "route53": ("xml", "<ErrorResponse>{}</ErrorResponse>"),
    "s3": ("xml", "{}"),
    "sts": ("xml", "<ErrorResponse>{}</ErrorResponse>"),
}
"""Services whose errors are XML, and what stands around one."""


class ConnectionCutError(ConnectionError):
    """The connection was ended on purpose."""


class Injector:
    """Counts calls, hits those that are to be hit, and hands the others on.

    Attributes:
        calls: names of all calls since it was last set, in order of arrival.
        hit: names of those that a fault hit.

    """

    def __init__(self, account: wire.Application) -> None:
        self._account = account
        self._lock = threading.Lock()
        self.set(None)

    def set(self, fault: Fault | None, at: str = "") -> None:
        """Begin anew.

        Args:
            fault: what goes wrong; None for nothing.
            at: the only call that it hits: `service:Operation`, or a number, counted from 1; empty for all that fit.

        """
        with self._lock:
            self.calls: list[str] = []
            self.hit: list[str] = []
            self._fault, self._at = fault, at
            self._times: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, or see to it that no answer comes."""
        message = wire.read(environ)
        if message is None:
            return self._account(environ, start_response)
        call = name_of(message)
        environ["wsgi.input"] = io.BytesIO(message.body)  # to be read again
        fault = self._judge(call)
        connection: socket.socket = environ["werkzeug.socket"]
        if fault is None:
            return self._account(environ, start_response)
        if fault.does == "refuse":
            return _refuse(message.service, fault, start_response)
        if fault.does in {"lose", "hang after"}:
            self._carry_out(environ)
        if fault.does.startswith("hang"):
            _wait_for_the_end(connection)
        raise _cut(connection, reset=fault.does == "reset")

    def _judge(self, call: str) -> Fault | None:
        """Count a call, and say what becomes of it."""
        with self._lock:
            self.calls.append(call)
            fault = self._fault
            if fault is None or fault.does == "by hand" or not self._is_hit(fault, call):
                return None
            self.hit.append(call)
            return fault

    def _is_hit(self, fault: Fault, call: str) -> bool:
        if fault.whole and self.hit:
            return True
        if self._at.isdecimal():
            return len(self.calls) == int(self._at) or (fault.times == 0 and call in self.hit)
        if not (call == self._at if self._at else fault.fits(call)):
            return False
        self._times[call] += 1
        return fault.times == 0 or self._times[call] <= fault.times

    def _carry_out(self, environ: dict[str, Any]) -> None:
        """Let the account carry a request out, and keep the answer from whoever asked."""
        answer = self._account(environ, lambda *_: None)
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def _refuse(service: str, fault: Fault, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the fault's error, as the service's protocol writes errors (botocore's `parsers`)."""
    protocol, template = _ERRORS.get(service, ("json", ""))
    if protocol == "json":
        body = json.dumps({"__type": fault.code, "message": fault.message})
    else:
        body = template.format(
            f"<Error><Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message></Error>"
        )
    headers = [("Content-Type", f"application/{protocol}"), ("Content-Length", str(len(body.encode())))]
    start_response(f"{fault.status} {HTTPStatus(fault.status).phrase}", headers)
    return [body.encode()]


def _wait_for_the_end(connection: socket.socket) -> None:
    """Wait until whoever asked gives up."""
    try:
        while connection.recv(4096):
            continue
    except OSError:
        return


def _cut(connection: socket.socket, *, reset: bool = False) -> ConnectionCutError:
    """End a connection without an answer."""
    try:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            socket.socket(fileno=connection.detach()).close()
        else:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other end was faster
    return ConnectionCutError("the connection was cut on purpose")
