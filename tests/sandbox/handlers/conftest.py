"""Fixtures: the emulated account, and a place to make things in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.registry import default_registry
from tests.sandbox.aws.account import account, clients
from tests.sandbox.handlers.cases import World

__all__ = ["account", "clients", "world"]


@pytest.fixture
def world(clients: Boto3Clients) -> Iterator[World]:  # the fixture above
    world = World(clients, default_registry())
    yield world
    world.clear()
