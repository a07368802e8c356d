"""The server: moto behind the layer, loaded before the first request is taken."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws.layer import Layer
from sandbox.aws.warm import warm

_log = logging.getLogger("sandbox.aws")


class Handler(MotoRequestHandler):
    """Answers one connection."""

    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for an acknowledgement

    def connection_dropped(self, *_: Any) -> None:
        """Read no further request from a connection that has ended."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the layer logs calls by their names."""


class _Dispatcher(DomainDispatcherApplication):
    """Finds a service's application, and remembers it: moto lists its own folders at every request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._found: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the name of the backend that answers for a host; None where none does."""
        if host not in self._found:
            self._found[host] = super().get_backend_for_host(host)
        return self._found[host]


def make_account(region: str) -> Layer:
    """Return an empty account, with what a region needs loaded."""
    layer = Layer(_Dispatcher())
    warm(layer, region)
    return layer


def serve(listener: socket.socket, region: str) -> None:
    """Answer requests until the process ends.

    Args:
        listener: bound and listening; connections made while things load are answered afterwards.
        region: what is loaded for; other regions work as well.

    """
    started = time.perf_counter()
    layer = make_account(region)
    host, port = listener.getsockname()[:2]
    server = make_server(host, port, layer, threaded=True, request_handler=Handler, fd=listener.fileno())
    _log.info("ready on http://%s:%d after %.1f s", host, port, time.perf_counter() - started)
    server.serve_forever()
