"""Fixtures: the emulated account, and a stack of one's own in it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.handlers.clients import Boto3Clients
from tests.engine.site import Site
from tests.sandbox.aws.account import Account, account, clients

__all__ = ["account", "clients", "site"]


@pytest.fixture
def site(tmp_path: Path, account: Account, clients: Boto3Clients) -> Iterator[Site]:  # the fixtures above
    site = Site(tmp_path, account.url, clients)
    yield site
    site.clear()
    gc.collect()
