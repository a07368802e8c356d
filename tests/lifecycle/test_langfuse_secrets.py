"""Langfuse's secrets: made once, in the forms that their readers take, closed to others."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from lifecycle.langfuse_secrets import ensure_langfuse_secrets
from planner.langfuse import DERIVED, RANDOM
from planner.layout import HOST_LAYOUT, Layout
from tests.langfuse import langfuse_plan


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "secrets").mkdir()
    return msgspec.structs.replace(HOST_LAYOUT, secrets=str(tmp_path / "secrets"))


def values(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_they_are_made_once_and_closed_to_others(layout: Layout) -> None:
    plan = langfuse_plan()
    ensure_langfuse_secrets(plan, layout)
    made = values(Path(layout.secrets))
    assert made.keys() == (RANDOM | DERIVED).keys()
    assert len(set(made.values())) == len(made)
    assert {path.stat().st_mode & 0o777 for path in Path(layout.secrets).iterdir()} == {0o600}
    ensure_langfuse_secrets(plan, layout)
    assert values(Path(layout.secrets)) == made


def test_each_has_the_form_that_its_reader_takes(layout: Layout) -> None:
    ensure_langfuse_secrets(langfuse_plan(), layout)
    made = values(Path(layout.secrets))
    assert re.fullmatch("[0-9a-f]{64}", made["langfuse-encryption"])
    assert made["langfuse-clickhouse-sha256"] == hashlib.sha256(made["langfuse-clickhouse"].encode()).hexdigest()
    headers = dict(pair.split("=", 1) for pair in made["langfuse-otlp-headers"].split(","))
    kind, _, pair = unquote(headers["Authorization"]).partition(" ")
    assert kind == "Basic"
    public, _, secret = base64.b64decode(pair).decode().partition(":")
    assert (public, secret) == (made["langfuse-public-key"], made["langfuse-secret-key"])
    assert (public[:6], secret[:6]) == ("pk-lf-", "sk-lf-")


def test_a_stack_without_it_gets_none(layout: Layout) -> None:
    ensure_langfuse_secrets(msgspec.structs.replace(langfuse_plan(), langfuse=None), layout)
    assert not values(Path(layout.secrets))
