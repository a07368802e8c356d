"""`deploy models` and `deploy compare` on a terminal and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.contract import REPORTS
from cli.main import run
from tests.lifecycle.bench import catalogue, price


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = catalogue(price("node", 64), price("pair", 7.2))
    monkeypatch.setattr("lifecycle.prices.load_catalogue", lambda: rows)
    monkeypatch.setenv("COLUMNS", "200")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = call(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    msgspec.json.decode(out, type=REPORTS[arguments[0]])
    report: dict[str, Any] = json.loads(out)
    return report


def test_models_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = as_json(capsys, "models", "--gpu", "big", "--count", "2", "--max-model-len", "16K", "--kind", "chat")
    assert report["hardware"] == {"gpu": "big", "count": 2, "context": 16_384}
    assert report["offer"]["host"] == "pair"
    assert {model["kind"] for model in report["models"]} == {"chat"}
    assert all(model["on_hardware"]["max_model_len"] == 16_384 for model in report["models"])


def test_compare_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = as_json(capsys, "compare", "gpt-oss-120b", "mistral-large-2407", "--gpu", "big")
    assert [model["name"] for model in report["models"]] == ["gpt-oss-120b", "mistral-large-2407"]
    assert [model["on_hardware"]["fits"] for model in report["models"]] == [True, False]


def test_models_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "models", "--gpu", "big", "--count", "2", "--language", "French")
    assert code == 0
    assert "mistral-large-2407" in out
    assert "7.20 USD/h for pair" in out
    assert "vendors name no languages" in out
    assert "gpt-oss-20b" in out.partition("vendors name no languages")[2]


def test_a_filter_that_leaves_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "models", "--kind", "embedding", "--licence-commercial", "no")
    assert code == 0
    assert "No model" in out


def test_names_are_whole_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call(capsys, "models")
    assert "qwen3-235b-a22b-instruct-2507-fp8 " in out
    assert "…" not in out


def test_compare_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "compare", "deepseek-r1", "llama-4-scout", "--gpu", "big", "--count", "2")
    assert code == 0
    for words in (
        "GiB are missing on each GPU",
        "would fit with 8 GPUs (--count 8)",
        "DeepSeek",
        "2025-01-20",
        "European Union",
        "from secondary pages",
    ):
        assert words in out


def test_a_machine_billed_whole_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "compare", "deepseek-r1", "llama-4-scout", "--gpu", "big", "--count", "4")
    assert "64.00 USD/h for node" in out
    assert "billed whole" in out
    assert "2 replicas" in out


def test_prices_of_ones_own_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[[host_hour]]\nhost = "pair"\ncapacity = "on-demand"\nper_hour = 5\nas_of = 2026-11-20\n')
    arguments = ("gpt-oss-20b", "gpt-oss-120b", "--gpu", "big", "--count", "2", "--prices", str(mine))
    assert as_json(capsys, "compare", *arguments)["offer"]["per_hour"] == 5


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("compare", "gpt-oss-21b", "gpt-oss-120b"), "unknown_model", "gpt-oss-20b"),
        (("compare", "gpt-oss-120b"), "too_few_models", "deploy models"),
        (("compare", "gpt-oss-20b", "gpt-oss-120b", "--gpu", "huge"), "unknown_gpu", "big"),
        (("models", "--gpu", "bigg"), "unknown_gpu", "big"),
        (("models", "--language", "Germn"), "unknown_language", "German"),
        (("models", "--licence-commercial", "maybe"), "usage", "--help"),
        (("models", "--kind", "speech"), "usage", "--help"),
        (("models", "--gpu", "big", "--count", "0"), "usage", "--help"),
        (("models", "--gpu", "big", "--max-model-len", "16GiB"), "usage", "counts tokens"),
    ],
)
def test_bad_input_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str, hint: str
) -> None:
    exit_code, out, _ = call(capsys, *arguments, "--json")
    error = json.loads(out)["error"]
    assert (exit_code, error["code"]) == (2, code)
    assert hint in error["hint"]
