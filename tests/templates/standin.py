"""What stands behind Traefik in its tests: it writes down what arrives, byte for byte as far as paths go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STREAM_STEP_S = 20.0
"""Longest that a stream waits for leave to go on: a test that fails must not hang."""


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. `headers` keeps every line of the head, names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


@dataclass
class StandIn:
    """A server on a port of its own; `go_on` lets a stream send its next event."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    go_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def targets(self) -> list[str]:
        return [request.target for request in self.seen]


class Handler(BaseHTTPRequestHandler):
    """Answers as the gateway does as far as Traefik can tell: tokens are checked, `?stream` is answered in steps."""

    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        self.server.here.seen.append(Seen(self.command, self.path, headers, body))
        if self.path == "/forward-auth" and self.headers.get("Authorization") != "Bearer good":
            self.answer(401, b"no")
        elif self.path == "/forward-auth":
            self.answer(200, b"", ("X-Cloister-Client", "alice"), ("X-Cloister-Jti", "1"))
        elif self.path == "/not-found":
            self.answer(404, b"nothing")
        elif self.path.endswith("?stream"):
            self.stream()
        else:
            self.answer(200, b"here")

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any  # noqa: N815 - http.server's names

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            event = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            if not self.server.here.go_on.acquire(timeout=STREAM_STEP_S):
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.here = StandIn(self.server_address[1])


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Serve on a free port of loopback."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.here
        finally:
            server.shutdown()
            thread.join()
