"""An account behind the faults, in this process: it carries nothing out, and notes what it would have."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3.session
import pytest
from botocore.config import Config

from sandbox.aws.environment import prepare


class Noting:
    """A WSGI application that answers every call with what suits most: an empty document of its protocol."""

    def __init__(self) -> None:
        self.reached = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.reached += 1
        body = b"{}" if "HTTP_X_AMZ_TARGET" in environ else b"<Answer/>"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Noting, str]]:
    """Give the injector, the account behind it, and its URL."""
    for name, value in os.environ.items():  # whatever is set for moto is unset again
        monkeypatch.setenv(name, value)
    prepare("us-east-2")
    from werkzeug.serving import make_server

    from sandbox.aws.server import Handler
    from sandbox.faults.wire import Injector

    account = Noting()
    injector = Injector(account)
    server = make_server("127.0.0.1", 0, injector, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield injector, account, f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(service: str, url: str, attempts: int = 1) -> Any:
    """Return a client that asks as often as it is told, and gives up after a second."""
    config = Config(read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": attempts}, proxies={})
    session: Any = boto3.session.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-2")
    return session.client(service, endpoint_url=url, config=config)
