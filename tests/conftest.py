"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.parts import require

# How long an example takes depends on who else uses the machine; the time limit of a test ends one that hangs.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Pulumi's own engine where there is none, and say so."""
    if item.get_closest_marker("engine"):
        require("pulumi")


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks the emulated account as slow: it is a process of its own, and nothing about it is fast."""
    for item in items:
        if "account" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
