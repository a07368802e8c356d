"""What holds for every test."""

from __future__ import annotations

import pytest

from tests.parts import require


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Pulumi's own engine where there is none, and say so."""
    if item.get_closest_marker("engine"):
        require("pulumi")
