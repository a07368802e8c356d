"""A proxy in front of the emulated account: it records requests, and does to the n-th of a kind what a test asks."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.bundle.local_server import LocalServer


@dataclass(frozen=True)
class Seen:
    """A request, and the answer's status (0 when it got none)."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    size: int
    status: int

    @property
    def operation(self) -> str:
        """S3's operation, as far as tests tell them apart."""
        if self.method == "PUT":
            return "UploadPart" if "partNumber" in self.query else "PutObject"
        if self.method == "POST":
            return "Create" if "uploads" in self.query else "Complete" if "uploadId" in self.query else "Post"
        return {"GET": "Get", "HEAD": "Head", "DELETE": "Abort"}.get(self.method, self.method)


Answer = tuple[int, list[tuple[str, str]], bytes]
Meddle = Callable[[Seen, Answer], Answer | None]
"""Takes a request and the account's answer, and returns another answer; None to hang up without one."""


DENIED: Answer = (
    403,
    [("Content-Type", "application/xml")],
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
)


class Recorder(LocalServer):
    """The proxy. `before` sees each request first: it may answer in the account's place."""

    def __init__(self, target: str) -> None:
        super().__init__(_Handler)
        self.seen: list[Seen] = []
        self.before: Callable[[Seen], Answer | None] = lambda seen: None
        self.meddle: Meddle = lambda seen, answer: answer
        self._target = urlsplit(target)
        self._lock = threading.Lock()

    def of(self, *operations: str) -> list[Seen]:
        """Return what was seen of these operations."""
        return [one for one in self.seen if one.operation in operations]

    def forget(self) -> None:
        self.seen.clear()

    def ask(self, handler: BaseHTTPRequestHandler) -> Answer | None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        parts = urlsplit(handler.path)
        seen = Seen(
            method=handler.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in handler.headers.items()},
            size=length,
            status=0,
        )
        changed = self.before(seen) or self.meddle(seen, self._forward(handler, body))
        self._note(seen, changed[0] if changed else 0)
        return changed

    def _note(self, seen: Seen, status: int) -> None:
        with self._lock:
            self.seen.append(Seen(**{**vars(seen), "status": status}))

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        assert self._target.hostname
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=60)
        try:
            connection.request(handler.command, handler.path, body, dict(handler.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    server_of: Recorder
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        answer = self.server_of.ask(self)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        status, headers, body = answer
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815  # the names that the standard library calls

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
