"""The layer in front of moto: every request passes here, one at a time.

It checks that a request is meant for this account, lets what is in progress take effect, answers retries of a request
that was already carried out, and hands the call to the operation that knows it, or to moto.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

from moto.core.exceptions import ServiceException

from sandbox.aws import wire
from sandbox.aws.call import Call
from sandbox.aws.checksums import check_body
from sandbox.aws.errors import AwsError
from sandbox.aws.isolation import is_loopback
from sandbox.aws.operations import OPERATIONS, SETTLE
from sandbox.aws.region import Clock, Region
from sandbox.aws.wire import Message, Response

HEALTH_PATH = "/_cloister/health"

_BACK_DOORS = ("/moto-api", "/latest/")
"""Paths at which moto does what no AWS account does: it forgets everything, or hands out credentials."""

_log = logging.getLogger("sandbox.aws")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _text(status: HTTPStatus, text: str) -> Response:
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"),), f"{text}\n".encode())


class Layer:
    """A WSGI application: the whole account.

    Args:
        moto: the WSGI application that answers what the layer does not.
        now: the account's clock.

    """

    def __init__(self, moto: wire.Application, now: Clock = _utc_now) -> None:
        self._moto = moto
        self._now = now
        self._lock = RLock()
        """moto's dictionaries are not made for several threads, and a call that touches both must be seen whole."""
        self._regions: dict[str, Region] = {}
        self._replies: dict[tuple[str, str, str], tuple[Mapping[str, str], Response]] = {}
        """(region, action, client token) -> the request that carried it, and its answer."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        response = self._screen(environ)
        headers = list(response.headers)
        if not any(name.lower() == "content-length" for name, _ in headers):  # a HEAD's says what a GET would give
            headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [response.body]

    def region(self, name: str) -> Region:
        """Return a region's state, made when it is first asked for."""
        with self._lock:
            if name not in self._regions:
                self._regions[name] = Region(name, self._now)
            return self._regions[name]

    def _screen(self, environ: dict[str, Any]) -> Response:
        """Turn away what is not a signed request of this machine for a service of this account."""
        host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
        if not is_loopback(host):  # a page in a browser that was told another name for this address
            return _text(HTTPStatus.MISDIRECTED_REQUEST, "The emulated account answers to loopback names only.")
        if environ.get("PATH_INFO") == HEALTH_PATH:
            return _text(HTTPStatus.OK, "ok")
        message = None if environ.get("PATH_INFO", "").startswith(_BACK_DOORS) else wire.read(environ)
        if message is None:
            services = ", ".join(sorted(wire.SERVICES))
            return _text(HTTPStatus.FORBIDDEN, f"Not a signed request for a service of this account: {services}.")
        started = time.perf_counter()
        with self._lock:
            response = self._answer(message)
        elapsed_ms = 1000 * (time.perf_counter() - started)
        what = message.action or f"{message.request.method} {message.request.full_path.rstrip('?')}"
        _log.info("%s %s %s %d %.0f ms", message.region, message.service, what, response.status, elapsed_ms)
        return response

    def _answer(self, message: Message) -> Response:
        try:
            return self._carry_out_once(message)
        except ServiceException as error:
            return message.answer(error)
        except NotImplementedError as error:
            _log.warning("not implemented: %s", error)
            told = AwsError("NotImplemented", f"The emulated account does not know {message.action}: {error}")
            return replace(message.answer(told), status=HTTPStatus.NOT_IMPLEMENTED)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets an answer it can read
            _log.exception("%s %s failed", message.service, message.action)
            told = AwsError("InternalFailure", f"{type(error).__name__}: {error}")
            return replace(message.answer(told), status=HTTPStatus.INTERNAL_SERVER_ERROR)

    def _carry_out_once(self, message: Message) -> Response:
        """Carry out a request, or repeat the answer if its client token says that this was done before."""
        token = message.request.values.get("ClientToken") if message.service == "ec2" else None
        if not token:
            return self._carry_out(message)
        key, content = (message.region, message.action, token), message.request.values.to_dict()
        if key in self._replies:
            before, answer = self._replies[key]
            if before != content:
                raise AwsError("IdempotentParameterMismatch", "This client token was used with other parameters.")
            return answer
        response = self._carry_out(message)
        if response.status == HTTPStatus.OK:
            self._replies[key] = (content, response)
        return response

    def _carry_out(self, message: Message) -> Response:
        check_body(message)
        region = self.region(message.region)
        for settle in SETTLE:
            settle(region)

        def forward(parameters: Mapping[str, Any] | None = None) -> Response:
            body = message.body if parameters is None else message.encode(parameters)
            return message.forward(self._moto, body)

        operation = OPERATIONS.get((message.service, message.action))
        if operation is None:
            return forward()
        parameters = message.parameters()
        if parameters.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
        result = operation(Call(region, parameters, forward))
        return result if isinstance(result, Response) else message.answer(result)
