"""A STAND-IN for an EC2 Instance Connect Endpoint: what a real one needs an account for.

It checks what the real one checks (signature, parameters, time, frames) and keeps its limits (tunnels at a time,
duration). Clients reach it under a real endpoint's name: through an HTTP proxy that leads that one name to it, and with
a certificate of an authority of the test. How the real one words a refusal is not known; ours are 403 and 429.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from lifecycle.certificates import certificates_of
from lifecycle.pki import ensure_certificate
from planner.plan import TlsPlan
from tests.lifecycle.stack import layout_in
from tests.waiting import wait_until

REGION = "us-east-2"
ENDPOINT_ID = "eice-0123456789abcdef0"
HOST = f"{ENDPOINT_ID}.ec2-instance-connect-endpoint.{REGION}.amazonaws.com"
ADDRESS = "10.0.1.10"
"""Private address of the instance behind it."""
KEY_ID, SECRET = "AKIDTESTING", "a-secret-for-tests"
LONGEST_FRAME = 65_000
PARAMETERS = {"instanceConnectEndpointId", "remotePort", "privateIpAddress", "maxTunnelDuration"}
SIGNING = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"}


@dataclass
class StandInEndpoint:
    """What it does, and what it has seen.

    Attributes:
        targets: private address and port -> where that really is.
        most: tunnels at a time.
        longest_s: cuts tunnels after this, whatever was asked for.
        instead: in the place of carrying bytes; given the connection.
        late_s: how far its clock is ahead.
    """

    targets: dict[tuple[str, int], tuple[str, int]]
    most: int = 20
    longest_s: float = 3600
    instead: Callable[[ServerConnection], None] | None = None
    late_s: float = 0
    token: str | None = None
    port: int = 0
    proxy_port: int = 0
    ca: Path = Path()
    asked: list[dict[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    closes: list[int | None] = field(default_factory=list)
    open: list[ServerConnection] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def environment(self) -> dict[str, str]:
        """What leads a client here and nowhere else."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CA_BUNDLE": str(self.ca),
            "HTTPS_PROXY": f"http://127.0.0.1:{self.proxy_port}",
        }

    def cut_all(self, *, politely: bool = False) -> None:
        """End every tunnel: as the real one does at its time, or as a lost connection looks."""
        for connection in list(self.open):
            if politely:
                connection.close(1008, "Tunnel duration exceeded")
            else:
                _reset(connection)

    def wait_for_tunnels(self, count: int) -> None:
        wait_until(lambda: len(self.open) == count)

    def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a tunnel open, or say why not."""
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.asked.append(query)
        why = self._fault(parts.path, query, request.headers)
        if why:
            self.refusals.append(why)
            return connection.respond(403, why)
        with self.lock:
            if len(self.open) >= self.most:
                self.refusals.append("full")
                return connection.respond(429, "Connection limit exceeded for this endpoint")
            self.open.append(connection)
        return None

    def _fault(self, path: str, query: dict[str, str], headers: Headers) -> str:
        temporary = {"X-Amz-Security-Token"} if self.token else set()
        signed_at = datetime.strptime(query.get("X-Amz-Date", "19700101T000000Z"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = datetime.now(UTC) + timedelta(seconds=self.late_s) - signed_at
        checks = {
            "path": path == "/openTunnel",
            "parameters": set(query) == PARAMETERS | SIGNING | temporary | {"X-Amz-Signature"},
            "endpoint": query.get("instanceConnectEndpointId") == ENDPOINT_ID,
            "host": headers.get("Host") == HOST,
            "duration": query.get("maxTunnelDuration", "").isdigit() and 1 <= int(query["maxTunnelDuration"]) <= 3600,
            "expires": query.get("X-Amz-Expires") == "60",
            "age": timedelta(seconds=-5) <= age <= timedelta(seconds=60),
            "headers": query.get("X-Amz-SignedHeaders") == "host",
            "token": query.get("X-Amz-Security-Token") == self.token,
            "target": (query.get("privateIpAddress"), int(query.get("remotePort", 0))) in self.targets,
            "signature": self._is_signed(path, query),
        }
        return ", ".join(name for name, holds in checks.items() if not holds)

    def _is_signed(self, path: str, query: dict[str, str]) -> bool:
        """Compute the signature again over what was asked, as botocore does."""
        given = query.get("X-Amz-Signature", "")
        rest = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        from botocore.compat import quote

        text = "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in rest.items())
        request: Any = AWSRequest(method="GET", url=f"wss://{HOST}{path}?{text}", headers={"host": HOST})
        request.context["timestamp"] = query.get("X-Amz-Date", "")
        auth: Any = SigV4QueryAuth(Credentials(KEY_ID, SECRET, self.token), "ec2-instance-connect", REGION, expires=60)
        if query.get("X-Amz-Credential") != auth.scope(request):
            return False
        wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        return hmac.compare_digest(wanted, given)

    def carry(self, connection: ServerConnection) -> None:
        """Carry bytes until either side ends, or the time is up."""
        assert connection.request is not None
        query = dict(parse_qsl(urlsplit(connection.request.path).query))
        try:
            if self.instead is not None:
                self.instead(connection)
                return
            self._carry_to(
                connection,
                self.targets[query["privateIpAddress"], int(query["remotePort"])],
                min(self.longest_s, float(query["maxTunnelDuration"])),
            )
        finally:
            with contextlib.suppress(ConnectionClosed):
                connection.close()
            self.closes.append(connection.protocol.close_rcvd.code if connection.protocol.close_rcvd else None)
            with self.lock:
                self.open.remove(connection)

    def _carry_to(self, connection: ServerConnection, target: tuple[str, int], duration_s: float) -> None:
        cut = threading.Timer(duration_s, lambda: connection.close(1008, "Tunnel duration exceeded"))
        cut.daemon = True
        with socket.create_connection(target, 5) as far:
            far.settimeout(None)
            cut.start()
            back = threading.Thread(target=_back, args=(far, connection), daemon=True)
            back.start()
            with contextlib.suppress(ConnectionClosed, OSError):
                while True:
                    message = connection.recv()
                    assert isinstance(message, bytes), "only binary frames"
                    self.frames.append(len(message))
                    if len(message) > LONGEST_FRAME:
                        connection.close(1009, "Frame too long")
                        break
                    far.sendall(message)
            cut.cancel()
            with contextlib.suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)
            back.join(5)


def _back(far: socket.socket, connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed, OSError):
        while data := far.recv(32_768):
            connection.send(data)
        connection.close()


def _reset(connection: ServerConnection) -> None:
    """Drop a connection without a word."""
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def standing_in(folder: Path, target: tuple[str, int], **settings: Any) -> Iterator[StandInEndpoint]:
    """Run one, and the proxy that leads to it."""
    endpoint = StandInEndpoint({(ADDRESS, 22): target}, **settings)
    layout = layout_in(folder)
    state = ensure_certificate(TlsPlan(mode="own-authority", hostnames=(HOST,), leaf_days=1), layout, datetime.now(UTC))
    assert certificates_of(Path(state.ca_file).read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.leaf_file, state.key_file)
    endpoint.ca = Path(state.ca_file)
    quiet = logging.getLogger("stand-in")
    quiet.disabled = True
    with (
        serve(
            endpoint.carry,
            "127.0.0.1",
            0,
            ssl=context,
            process_request=endpoint.judge,
            compression=None,
            ping_interval=None,
            close_timeout=2,
            logger=quiet,
        ) as server,
        socket.create_server(("127.0.0.1", 0)) as proxy,
    ):
        endpoint.port, endpoint.proxy_port = server.socket.getsockname()[1], proxy.getsockname()[1]
        for run in (server.serve_forever, lambda: _proxy(proxy, endpoint)):
            threading.Thread(target=run, daemon=True).start()
        yield endpoint
        endpoint.cut_all()


def _proxy(listener: socket.socket, endpoint: StandInEndpoint) -> None:
    """Answer CONNECT for the endpoint's own name, and refuse every other."""
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_connect, args=(near, endpoint), daemon=True).start()


def _connect(near: socket.socket, endpoint: StandInEndpoint) -> None:
    with near, contextlib.suppress(OSError):
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += near.recv(4096)
        if not asked.startswith(f"CONNECT {HOST}:443 ".encode()):
            near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", endpoint.port), 5) as far:
            near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            ends = {near: far, far: near}
            while True:
                for source in select.select(list(ends), [], [])[0]:
                    if not (data := source.recv(65_536)):
                        return
                    ends[source].sendall(data)


def lead_there(monkeypatch: pytest.MonkeyPatch, endpoint: StandInEndpoint) -> None:
    """Lead this process's clients to the stand-in."""
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
