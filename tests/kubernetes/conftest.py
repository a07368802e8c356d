"""One control plane for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.control_plane import ControlPlane, control_plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane on loopback; what tests make in it stays until the end, in namespaces of their own."""
    with control_plane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture
def admin(plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig file of who may do everything."""
    return plane.kubeconfig(tmp_path / "admin.yaml", {"token": plane.tokens["admin"]})
