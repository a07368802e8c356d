"""boto3 clients of the emulated account."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from threading import Lock
from typing import Any

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5, 60
_ATTEMPTS = 3
_CONNECTIONS = 32

_NOTHING_OF_THE_PERSON = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Session variables (configuration key, environment, default, conversion): a person's own AWS settings are not read."""


@cache
def _models() -> Any:
    """Return what loads the services' models: one for the process, since EC2's alone takes some 70 MB."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - as boto3 below

    return create_loader()


class Boto3Clients:
    """Clients of one account and region, made when first asked for and shared between threads.

    The credentials are dummies and go to `endpoint_url` alone: neither the environment, nor a configuration file, nor
    a proxy has a say in it.

    Args:
        endpoint_url: the emulated account, for example `http://127.0.0.1:5000`.
        region: for example `us-east-2`.
        read_timeout_s: how long an answer may take, in seconds.

    """

    def __init__(self, endpoint_url: str, region: str, read_timeout_s: float = _READ_TIMEOUT_S) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._read_timeout_s = read_timeout_s
        self._lock = Lock()  # a session makes one client at a time
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service, for example `ec2`."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def warm(self, services: Iterable[str]) -> None:
        """Make clients ahead of time, for example while the account starts."""
        for service in services:
            self.client(service)

    def _make(self, service: str) -> Any:
        import boto3.session  # noqa: PLC0415  # takes a third of a second, which most commands can do without
        import botocore.session  # noqa: PLC0415  # as boto3
        from botocore.config import Config  # noqa: PLC0415  # as boto3

        from sandbox.handlers.unanswered import send_once  # noqa: PLC0415  # as boto3

        if self._session is None:
            bare = botocore.session.Session(_NOTHING_OF_THE_PERSON)
            bare.register_component("data_loader", _models())
            self._session = boto3.session.Session(
                aws_access_key_id="emulated",
                aws_secret_access_key="emulated",  # noqa: S106  # the account takes any
                region_name=self.region,
                botocore_session=bare,
            )
        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=self._read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
            proxies={},
        )
        client = self._session.client(service, endpoint_url=self.endpoint_url, config=config)
        client.meta.events.register_first("needs-retry", send_once)
        return client
