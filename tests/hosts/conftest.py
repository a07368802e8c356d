"""Hosts for tests. All tests of this folder run in one worker: there is one lab per machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.lab import Lab
from tests.parts import require, require_root

PROGRAMS = ("systemd-nspawn", "mmdebstrap", "ip", "nft", "ssh", "ssh-keygen", "setpriv", "unshare", "nsenter")
FIRST_TEST_S = 420
"""The first test of a machine also makes its image."""
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads who belongs together
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("hosts"))
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(FIRST_TEST_S))


@pytest.fixture(scope="session")
def can_boot() -> None:
    """Skip where hosts cannot be booted, with the reason; in CI that is a failure."""
    for program in PROGRAMS:
        require(program)
    require_root("booting hosts takes root (namespaces, mounts)")


@pytest.fixture
def lab(can_boot: None) -> Iterator[Lab]:
    """An empty lab; with `lab.host("bookworm")` comes a booted host."""
    with Lab() as lab:
        yield lab
