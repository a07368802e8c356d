"""The emulated account, and the life of every shipped profile's stack in it."""

from __future__ import annotations

from functools import cache

import pytest

from lifecycle.profiles import load_profile
from tests.proofs.lives import GIVEN, Life, fresh_guest, fresh_up
from tests.sandbox.aws.account import Account, account, clients

__all__ = ["account", "clients", "life_of"]


@pytest.fixture(scope="session")
def life_of(account: Account, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Return what brings a shipped profile up, or a stack in a given network, once in the session."""

    @cache
    def life(name: str) -> Life:
        folder = tmp_path_factory.mktemp(f"life-{name}")
        return fresh_guest(account, folder) if name == GIVEN else fresh_up(load_profile(name), account, folder)

    return life
