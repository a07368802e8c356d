"""The real Traefik with the rendered files, in front of stand-ins: what gets through, and how it arrives."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lifecycle import parts
from lifecycle.pki import ensure_certificate
from planner.layout import Layout
from planner.plan import Plan
from templates.render import render
from tests.templates.stacks import layout_below, plan_of
from tests.templates.standin import StandIn, stand_in

pytestmark = pytest.mark.slow

CHAT = "/v1/chat/completions"
READY_WITHIN_S = 30.0
IDENTITY = ("X-Cloister-Client", "X-Cloister-Jti", "X-Cloister-Scope")


@dataclass(frozen=True)
class Edge:
    """Traefik, and what stands behind it."""

    plan: Plan
    layout: Layout
    gateway: StandIn
    prometheus: StandIn

    @property
    def port(self) -> int:
        return self.plan.port("traefik", "https")

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=f"{self.layout.tls}/ca.pem")

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.trusting().wrap_socket(raw, server_hostname="localhost")

    def send(self, head: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request just as it stands; return status and head of the answer."""
        with self.connect() as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            answer = b""
            while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
                answer += more
        return (int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0), answer

    def ask(self, method: str, path: str, *headers: str) -> tuple[int, bytes]:
        return self.send("\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Start Traefik once, below a folder whose name is everything that a path should not be."""
    folder = tmp_path_factory.mktemp("edge") / 'a "b" {{ env `HOME` }} é \U0001f600'
    command = parts.resolve("traefik")
    assert command, parts.absence("traefik")
    with ExitStack() as stack:
        gateway, prometheus = stack.enter_context(stand_in()), stack.enter_context(stand_in())
        https, admin = _free_ports(2)
        plan = plan_of(
            "poc",
            ports={
                "gateway.http": gateway.port,
                "prometheus.http": prometheus.port,
                "traefik.https": https,
                "traefik.admin": admin,
            },
        )
        layout = layout_below(folder)
        for path, text in render(plan, layout).items():
            target = Path(layout.config, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        ensure_certificate(plan.tls, layout, datetime.now(UTC))
        log = stack.enter_context((folder / "log").open("wb"))
        traefik = subprocess.Popen(
            [*command, f"--configFile={layout.config}/traefik/traefik.yml"], stdout=log, stderr=log, cwd=folder
        )
        try:
            edge = Edge(plan, layout, gateway, prometheus)
            _wait_for(edge, traefik, folder / "log")
            yield edge
        finally:
            traefik.kill()
            traefik.wait()


@pytest.fixture
def edge(shared: Edge) -> Edge:
    shared.gateway.seen.clear()
    shared.prometheus.seen.clear()
    return shared


def test_plain_http_gets_nothing(edge: Edge) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)) as connection:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        assert (answer.status, answer.headers.get("Location")) in {(400, None), (404, None)}
    assert edge.gateway.seen == []


def test_old_tls_is_refused(edge: Edge) -> None:
    context = edge.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would refuse before the other can
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that TLS 1.1 is old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    raw = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
    with raw, pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        context.wrap_socket(raw, server_hostname="localhost")


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384"])
def test_weak_ciphers_are_refused(edge: Edge, cipher: str) -> None:
    context = edge.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    raw = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
    with raw, pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        context.wrap_socket(raw, server_hostname="localhost").close()


@pytest.mark.parametrize("name", ["localhost", "s.cloister.internal", "127.0.0.1"])
def test_certificate_is_the_stacks_own_under_each_of_its_names(edge: Edge, name: str) -> None:
    raw = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
    with edge.trusting().wrap_socket(raw, server_hostname=name) as connection:
        assert connection.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", CHAT), ("POST", "/v1/completions"), ("GET", "/v1/models"), ("GET", "/v1/models?a=%2Fb&a")],
)
def test_listed_path_arrives_as_it_was_sent(edge: Edge, method: str, target: str) -> None:
    body = b'{"model": "m"}'
    head = f"{method} {target} HTTP/1.1\nHost: localhost\nAuthorization: Bearer t\nContent-Length: {len(body)}"
    status, answer = edge.send(head, body)
    assert status == 200
    (seen,) = edge.gateway.seen
    assert (seen.method, seen.target, seen.body) == (method, target, body)
    assert seen.values("Host") == ["localhost"]
    assert seen.values("Authorization") == ["Bearer t"]
    assert b"strict-transport-security: max-age=31536000; includesubdomains" in answer.lower()
    assert b"x-content-type-options: nosniff" in answer.lower()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/forward-auth"),
        ("GET", "/ping"),
        ("GET", "/api/rawdata"),
        ("GET", "/dashboard/"),
        ("GET", "/prometheus"),
        ("DELETE", "/prometheus/api/v1/admin/tsdb/delete_series"),
        ("GET", "/v1"),
        ("GET", "/V1/models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/m"),
        ("GET", CHAT),
        ("POST", "/v1/models"),
        ("OPTIONS", CHAT),
        ("POST", f"{CHAT}/"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/tokenize"),
    ],
)
def test_anything_else_is_nothing(edge: Edge, method: str, target: str) -> None:
    """The gateway is asked for a path that does not exist, so that a stranger is refused alike everywhere."""
    status, answer = edge.ask(method, target, "Authorization: Bearer good")
    assert status == 404
    assert edge.gateway.targets() == ["/not-found"]
    assert edge.prometheus.seen == []
    assert b"strict-transport-security" in answer.lower()


@pytest.mark.parametrize(
    "target",
    [
        "/v1%2Fmodels",
        "/v1%2fmodels",
        "/v1/..;/v1/models",
        "/v1/models;a=b",
        "/v1/models%3Ba=b",
        "/v1/models%00",
        "/v1/models%23",
        "/v1/models%3Fa",
        "/v1/models%252F",
        "/v1\\models",
        "/v1%5Cmodels",
        "/v1/models%2F..",
        "/%2e%2e%2fv1/models",
        "/prometheus/..%2Fv1%2Fmodels",
        "/prometheus/%2e%2e%2f%2e%2e/etc",
    ],
)
def test_encoded_ways_around_the_list_are_closed(edge: Edge, target: str) -> None:
    """Whatever else such a path comes to, it is not a listed one, and is not one of Prometheus without a token."""
    status, _ = edge.ask("GET", target, "Authorization: Bearer bad")
    assert status in {400, 401, 404}
    assert set(edge.gateway.targets()) <= {"/not-found", "/forward-auth"}
    assert edge.prometheus.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "//v1/models",
        "/v1//models",
        "/./v1/models",
        "/x/../v1/models",
        "/v1/models/.",
        "/v1/%2e%2e/v1/models",
        "//x/..//v1/models",
        "/v1/%6Dodels",
        "/v1/./%6d%6fdels",
    ],
)
def test_untidy_paths_do_not_reach_the_gateway_untidy(edge: Edge, target: str) -> None:
    """Traefik tidies a path before its rules see it: the gateway gets what the rules saw, or nothing."""
    edge.ask("GET", target)
    assert set(edge.gateway.targets()) <= {"/v1/models", "/not-found"}


def test_absolute_target_is_no_way_around(edge: Edge) -> None:
    edge.ask("GET", "https://elsewhere.example/metrics")
    assert set(edge.gateway.targets()) <= {"/not-found"}


@pytest.mark.parametrize("target", [CHAT, "/elsewhere", "/prometheus/graph"])
@pytest.mark.parametrize("spelt", ["plain", "blank", "lower", "X_A", "X.A", "X~A", "hop"])
def test_claimed_identity_never_arrives(edge: Edge, target: str, spelt: str) -> None:
    names = tuple(name.lower() for name in IDENTITY) if spelt == "lower" else IDENTITY
    if spelt in {"X_A", "X.A", "X~A"}:
        names = tuple(name.replace("-", spelt[1]) for name in IDENTITY)
    blank = " " if spelt == "blank" else ""
    claimed = [f"{name}{blank}: mallory" for name in names for _ in range(2)]
    hop = ["Connection: X-Cloister-Client, X-Cloister-Jti"] if spelt == "hop" else ["Connection: close"]
    method = "POST" if target == CHAT else "GET"
    head = (f"{method} {target} HTTP/1.1", "Host: localhost", "Authorization: Bearer good", *hop, *claimed)
    edge.send("\n".join(head))
    arrived = [*edge.gateway.seen, *edge.prometheus.seen]
    assert arrived or spelt == "blank"
    assert not [value for seen in arrived for _, value in seen.headers if "mallory" in value]


def test_address_of_the_client_is_not_for_the_client_to_say(edge: Edge) -> None:
    edge.ask("POST", CHAT, "X-Forwarded-For: 10.0.0.1", "X-Real-Ip: 10.0.0.1", "X-Forwarded-Host: evil")
    (seen,) = edge.gateway.seen
    assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
    assert seen.values("X-Real-Ip") == ["127.0.0.1"]
    assert seen.values("X-Forwarded-Host") == ["localhost"]


def test_prometheus_is_asked_when_the_gateway_vouches(edge: Edge) -> None:
    status, answer = edge.ask("GET", "/prometheus/api/v1/query?query=up", "Authorization: Bearer good")
    assert status == 200
    assert edge.gateway.targets() == ["/forward-auth"]
    (seen,) = edge.prometheus.seen
    assert seen.target == "/prometheus/api/v1/query?query=up"
    assert seen.values("Authorization") == []
    assert seen.values("X-Cloister-Client") == ["alice"]
    assert b"strict-transport-security" in answer.lower()


@pytest.mark.parametrize("token", [[], ["Authorization: Bearer bad"]])
def test_prometheus_is_not_asked_otherwise(edge: Edge, token: list[str]) -> None:
    status, _ = edge.ask("GET", "/prometheus/graph", *token)
    assert status == 401
    assert edge.gateway.targets() == ["/forward-auth"]
    assert edge.prometheus.seen == []


def test_events_arrive_one_by_one_while_the_certificate_changes(edge: Edge) -> None:
    """Each event is there before the next is sent; a renewal disturbs no stream, and new connections see it."""
    with edge.connect() as connection:
        old = connection.getpeercert(binary_form=True)
        connection.sendall(f"POST {CHAT}?stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
        _read_until(connection, b"data: 0\n\n")
        _renew(edge)
        _until(lambda: _served(edge) != old)
        edge.gateway.go_on.release()
        _read_until(connection, b"data: 1\n\n")
        edge.gateway.go_on.release()
        _read_until(connection, b"data: 2\n\n")
        edge.gateway.go_on.release()
        _read_until(connection, b"0\r\n\r\n")


def _renew(edge: Edge) -> None:
    """Have the certificate issued again, as the renewer does when it is due."""
    tls = msgspec.structs.replace(edge.plan.tls, hostnames=(*edge.plan.tls.hostnames, "renewed.cloister.internal"))
    assert ensure_certificate(tls, edge.layout, datetime.now(UTC)).changes


def _served(edge: Edge) -> bytes | None:
    with edge.connect() as connection:
        return connection.getpeercert(binary_form=True)


def _read_until(connection: ssl.SSLSocket, end: bytes) -> None:
    got = b""
    while not got.endswith(end) and not got.endswith(end + b"\r\n"):
        more = connection.recv(65536)
        assert more, f"the stream ended with {got!r}"
        got += more


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + READY_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _wait_for(edge: Edge, traefik: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the routes are loaded: the gateway is reached."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        assert traefik.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        try:
            if edge.ask("GET", "/v1/models")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
