"""The account in this process, with a clock that moves when it is told: what is in progress can be looked at."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.aws.environment import prepare
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import REGION


@dataclass
class Clock:
    """Stands at a Friday morning, until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class TimedAccount:
    clock: Clock
    clients: Boto3Clients

    @property
    def ec2(self) -> Any:
        return self.clients.client("ec2")


@pytest.fixture(scope="module")
def timed() -> Iterator[TimedAccount]:
    before = dict(os.environ)
    prepare(REGION)
    try:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        from sandbox.aws.layer import Layer

        class Quiet(WSGIRequestHandler):
            def log(self, *_: Any) -> None:
                """Say nothing."""

        clock = Clock()
        layer = Layer(DomainDispatcherApplication(create_backend_app), clock)
        server = make_server("127.0.0.1", 0, layer, threaded=True, request_handler=Quiet)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield TimedAccount(clock, Boto3Clients(f"http://127.0.0.1:{server.server_port}", REGION))
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
    finally:
        os.environ.clear()
        os.environ.update(before)
