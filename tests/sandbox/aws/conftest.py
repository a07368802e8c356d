"""Fixtures: the emulated account, and a network in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import account, clients
from tests.sandbox.aws.network import Network

__all__ = ["account", "clients", "network"]


@pytest.fixture
def network(clients: Boto3Clients) -> Iterator[Network]:  # the fixture above
    network = Network(clients.client("ec2"))
    yield network
    network.clear()
