"""Fixtures: the emulated account, and a stack of one's own in it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.pulumi_version import find_cli
from planner.errors import DeployError
from sandbox.handlers.clients import Boto3Clients
from tests.engine.site import Site
from tests.sandbox.aws.account import Account, account, clients

__all__ = ["account", "clients", "site"]


@pytest.fixture(scope="session", autouse=True)
def _usable() -> None:
    """Skip where the Pulumi that was found is not one that the toolkit takes, and say so."""
    try:
        find_cli(os.environ)
    except DeployError as error:
        pytest.skip(f"{error.message}, so this did not run")


@pytest.fixture
def site(tmp_path: Path, account: Account, clients: Boto3Clients) -> Iterator[Site]:  # the fixtures above
    site = Site(tmp_path, account.url, clients)
    yield site
    site.clear()
    gc.collect()
