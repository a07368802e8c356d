"""Nothing old is removed before endpoints are seen to go by the new: what counts as seen, and what does not."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from lifecycle.certificates import certificates_of
from lifecycle.home import Home
from lifecycle.pki import ensure_certificate
from lifecycle.probes.base import Subject
from lifecycle.profiles import load_profile
from lifecycle.rotation import endpoints
from lifecycle.rotation.endpoints import NotTakenUpError, wait_for_answer, wait_for_certificate
from lifecycle.stack import Stack
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.progress import Progress, Silent

GOOD = "Bearer good"
SHOW = Silent()


class Answer(BaseHTTPRequestHandler):
    """Takes one token."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("Authorization") == GOOD else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        del format, args


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack whose endpoint shows the certificate that it had when the test began, whatever is issued meanwhile."""
    plan = make_plan(load_profile("poc"), load_catalogue(), Site(stack="default"))
    tls = msgspec.structs.replace(plan.tls, mode="own-authority", hostnames=("localhost", "127.0.0.1"))
    home = Home(tmp_path).stack("default")
    home.create()
    stack = Stack(home, msgspec.structs.replace(plan, tls=tls))
    state = ensure_certificate(tls, home.layout, datetime.now(UTC))
    server = HTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.leaf_file, state.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    reached = {stack.plan.port("traefik", "https"): server.server_port}
    subject = Subject(plan=stack.plan, layout=home.layout, host="127.0.0.1", token=lambda: None, reached=reached)

    @contextlib.contextmanager
    def here(_stack: Stack, _progress: Progress) -> Iterator[Iterator[tuple[str, Subject]]]:
        yield iter([("h", subject)])

    monkeypatch.setattr(endpoints, "_endpoints", here)
    monkeypatch.setattr(endpoints, "TAKEN_UP_WITHIN_S", 0.05)
    monkeypatch.setattr(endpoints, "LOOK_AGAIN_S", 0.01)
    yield stack
    server.shutdown()
    thread.join()
    server.server_close()


def leaf(stack: Stack) -> x509.Certificate:
    return certificates_of(Path(stack.layout.tls, "leaf.pem").read_bytes())[0]


def trusted(stack: Stack) -> bytes:
    return Path(stack.ca_file).read_bytes()


def test_the_certificate_that_is_shown_is_seen(stack: Stack) -> None:
    wait_for_certificate(stack, leaf(stack), trusted(stack), SHOW)


def test_a_certificate_that_is_shown_no_longer_is_not_enough(stack: Stack) -> None:
    ensure_certificate(stack.plan.tls, stack.layout, datetime.now(UTC), anew=True)
    with pytest.raises(NotTakenUpError, match="it shows the certificate"):
        wait_for_certificate(stack, leaf(stack), trusted(stack), SHOW)


def test_a_certificate_that_clients_of_the_authority_refuse_is_not_enough(stack: Stack, tmp_path: Path) -> None:
    other = Home(tmp_path).stack("other")
    other.create()
    state = ensure_certificate(stack.plan.tls, other.layout, datetime.now(UTC))
    with pytest.raises(NotTakenUpError, match="CERTIFICATE_VERIFY_FAILED"):
        wait_for_certificate(stack, leaf(stack), Path(state.ca_file).read_bytes(), SHOW)


def test_a_token_that_is_taken_or_refused_is_seen(stack: Stack) -> None:
    wait_for_answer(stack, "good", 200, SHOW)
    wait_for_answer(stack, "bad", 401, SHOW)
    with pytest.raises(NotTakenUpError, match="it answers 401"):
        wait_for_answer(stack, "bad", 200, SHOW)
    with pytest.raises(NotTakenUpError, match="it answers 200"):
        wait_for_answer(stack, "good", 401, SHOW)
