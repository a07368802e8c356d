"""A stack that is up, shared by the tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.deploy_cli import Deploy


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Bring up the stack `default` below a path with spaces; take it down at the end."""
    deploy = Deploy(tmp_path_factory.mktemp("a home with spaces") / "state")
    try:
        deploy("up", "--profile", "2xh200")
        yield deploy
    finally:
        deploy("down", check=False)
    assert deploy.processes() == []


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Give an empty home; whatever stacks a test leaves there are taken down."""
    deploy = Deploy(tmp_path / "state")
    try:
        yield deploy
    finally:
        for stack in deploy("list", "--json").json["stacks"]:
            deploy("down", "--stack", stack["stack"], check=False)
    assert deploy.processes() == []
