"""The emulated account, and stacks in it that nobody else has."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lifecycle.sweeping.records import Place
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws import account as accounts
from tests.sandbox.aws.account import Account

__all__ = ["account", "clients", "place"]

ACCOUNT = "123456789012"


@pytest.fixture(scope="package")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account of its own: what is a stranger's here stays behind."""
    running, process = accounts.start(tmp_path_factory.mktemp("swept") / "log")
    yield running
    accounts.stop(process)


@pytest.fixture(scope="package")
def clients(account: Account) -> Boto3Clients:
    return account.clients()


@pytest.fixture
def place(clients: Boto3Clients) -> Place:  # the fixture above
    return Place(clients, ACCOUNT, f"s{uuid.uuid4().hex[:8]}")
