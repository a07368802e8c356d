"""`verify` says by which name and certificate consumers see the endpoint, and whether that is so."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lifecycle.pki import ensure_certificate
from lifecycle.probes import tls
from lifecycle.probes.base import Check, Subject
from planner.plan import PrivateNamePlan
from tests.lifecycle.stack import layout_in
from tests.templates.stacks import plan_of

CONSUMER = "vpc-0123456789abcdef0"


@contextlib.contextmanager
def serving(folder: str) -> Iterator[int]:
    """Answer TLS handshakes on a free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/leaf.pem", f"{folder}/leaf.key")

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def seen(folder: Path, named: PrivateNamePlan | None) -> list[Check]:
    layout = layout_in(folder)
    ensure_certificate(plan_of("2xh200").tls, layout, datetime.now(UTC))
    with serving(layout.tls) as port:
        plan = msgspec.structs.replace(plan_of("2xh200", ports={"traefik.https": port}), private_name=named)
        return list(tls._consumers(Subject(plan=plan, layout=layout, host="127.0.0.1", token=lambda: None)))


def test_name_certificate_and_authority_are_told(tmp_path: Path) -> None:
    (check,) = seen(tmp_path, PrivateNamePlan(name="s.cloister.internal", consumer_vpc_ids=(CONSUMER,)))
    assert (check.id, check.ok) == ("tls.consumers", True)
    for told in ("s.cloister.internal", CONSUMER, "certificate until", "issued by", "ca.pem"):
        assert told in check.detail


def test_a_name_that_the_certificate_does_not_hold_is_a_fault(tmp_path: Path) -> None:
    (check,) = seen(tmp_path, PrivateNamePlan(name="llm.example.com", consumer_vpc_ids=()))
    assert check.ok is False
    assert "llm.example.com" in check.detail


def test_where_nobody_knows_a_name_nothing_is_said(tmp_path: Path) -> None:
    assert seen(tmp_path, None) == []
