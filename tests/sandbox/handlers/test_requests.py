"""What the handlers ask of AWS: the account that answers is kinder than AWS, so the question itself is checked."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from sandbox.handlers.registry import default_registry
from sandbox.handlers.resource import Resource
from tests.sandbox.handlers.recording import RecordingClients

CASES = sorted(Path(__file__).with_name("requests").glob("*.json"))


def _without_token(parameters: dict[str, Any]) -> dict[str, Any]:
    """Take out the client token, which is new every time."""
    token = parameters.get("ClientToken")
    if token is not None:
        uuid.UUID(token)
    return {name: value for name, value in parameters.items() if name != "ClientToken"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_request(path: Path) -> None:
    case = json.loads(path.read_text())
    clients = RecordingClients()
    handler = default_registry()[case["type"]]
    assert isinstance(handler, Resource)
    handler.make(clients, case["inputs"])
    assert [[call, _without_token(parameters)] for call, parameters in clients.calls] == case["calls"], case["why"]
