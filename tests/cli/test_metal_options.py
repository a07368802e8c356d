"""What is said when hosts are named in the wrong way: before anything is made, and without a connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from planner.bundle import encode

INVENTORY = '[[host]]\nname = "a"\naddress = "192.0.2.1"\nuser = "ops"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.toml").write_text(INVENTORY)
    return tmp_path / "home"


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (("--target", "metal"), "no_inventory", "--inventory"),
        (("--target", "metal", "--inventory", "hosts.toml", "--host", "ops@192.0.2.1"), "two_inventories", "one"),
        (("--inventory", "hosts.toml"), "not_on_hosts", "--target metal"),
        (("--target", "sandbox", "--host", "ops@192.0.2.1"), "not_on_hosts", "--target metal"),
        (("--target", "metal", "--inventory", "none.toml"), "usage", "[[host]]"),
        (("--target", "metal", "--host", "192.0.2.1"), "inventory_invalid", "user@address"),
        (("--target", "mettle"), "unknown_target", "metal"),
    ],
)
def test_hosts_that_are_named_wrongly_are_refused(
    capsys: pytest.CaptureFixture[str], home: Path, words: tuple[str, ...], error: str, told: str
) -> None:
    for verb in ("up", "plan"):
        code, said = refusal(capsys, verb, "--profile", "poc", *words)
        assert (code, said["code"]) == (2, error)
        assert told in said["hint"]
    assert not home.exists()


def test_logs_of_a_host_are_for_stacks_on_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = refusal(capsys, "logs", "--host", "a")
    assert (code, said["code"]) == (1, "no_such_stack")


def test_a_bundle_is_checked_against_a_profile_and_must_hold_its_image(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("hosts", "check", "--inventory", "hosts.toml", "--bundle", str(tmp_path))
    code, said = refusal(capsys, *words)
    assert (code, said["code"]) == (2, "usage")
    assert "--profile" in said["message"]
    image = f"registry.example/vllm@sha256:{'a' * 64}"
    (tmp_path / "own.toml").write_text(f'extends = "poc"\n[engine]\nstand_in = true\nimage = "{image}"\n')
    (tmp_path / "manifest.json").write_bytes(encode([]))
    code, said = refusal(capsys, *words, "--profile", "./own.toml")
    assert (code, said["code"]) == (1, "image_not_in_bundle")
    assert image in said["message"]
