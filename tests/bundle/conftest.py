"""A stack's bucket and key in the emulated account, and a proxy that counts, fails and stops requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lifecycle.home import Home
from tests.bundle.folders import make
from tests.bundle.recorder import Recorder
from tests.bundle.stack_bucket import StackBucket
from tests.sandbox.aws.account import Account, account
from tests.sandbox.aws.settings import lead_aws

__all__ = ["account"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle")


@pytest.fixture
def recorder(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Lead the SDK to the emulated account, through what records every request."""
    with Recorder(account.url) as running:
        lead_aws(monkeypatch, running.url)
        yield running


@pytest.fixture
def bucket(account: Account) -> Iterator[StackBucket]:
    made = StackBucket(account)
    yield made
    made.remove()
