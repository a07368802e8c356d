"""A model that makes embeddings: brought up, asked by the official client's way, verified, taken down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.deploy_cli import Deploy

pytestmark = pytest.mark.slow


def test_embeddings_are_served_and_nothing_else(tmp_path: Path) -> None:
    deploy = Deploy(tmp_path / "state")
    try:
        deploy("up", "--profile", "embed", "--json")
        checks = {check["id"]: check["ok"] for check in deploy("verify", "--json").json["checks"]}
        assert checks["inference.embedding"] is True
        assert checks["replica.engine"] is True
        assert checks["routes.closed_to_clients"] is True  # chats among them
        assert "/v1/embeddings" in deploy("open").out
    finally:
        deploy("down", "--json")
