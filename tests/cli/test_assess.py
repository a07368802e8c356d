"""`deploy assess`: from answers to advice, on a terminal and off it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from cli.app import app
from cli.contract import REPORTS
from cli.main import run
from lifecycle.assess import load_situation
from planner.assess.example import EXAMPLE
from planner.assess.report import Assessment
from planner.assess.situation import ApiUse, Situation
from templates.answers import render_answers
from tests.planner.assess.book import catalogue

CASES = Path(__file__).parents[1] / "planner" / "assess" / "cases"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def round_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put round figures in the place of the shipped ones, so that a new price breaks no test."""
    monkeypatch.setattr("lifecycle.prices.load_catalogue", catalogue)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["assess", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_is_the_whole_assessment(capsys: pytest.CaptureFixture[str]) -> None:
    import msgspec

    code, out, _ = call(capsys, "--answers", str(CASES / "large-demand-is-self-hosted.toml"), "--json")
    assert code == 0
    found = msgspec.json.decode(out, type=Assessment)
    assert REPORTS["assess"] is Assessment
    assert found.recommendation.advice == "self-host-first"
    assert sum(line.typical for line in found.bills[0].lines) == pytest.approx(found.bills[0].total.typical)


def test_prices_of_one_s_own_take_the_place_of_the_shipped_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    quotes = tmp_path / "quotes.toml"
    quotes.write_text(
        """
        [[host_hour]]
        host = "node"
        capacity = "on-demand"
        regions = ["north"]
        per_hour = 10
        currency = "EUR"
        as_of = 2026-11-20
        """
    )
    case = str(CASES / "large-demand-is-self-hosted.toml")
    rents = []
    for more in ([], ["--prices", str(quotes)]):
        _, out, _ = call(capsys, "--answers", case, "--json", *more)
        bill = json.loads(out)["bills"][2]
        rents.append(sum(line["typical"] for line in bill["lines"] if line["name"] in {"hosts", "spare"}))
    assert rents[1] == pytest.approx(rents[0] / 4)
    code, out, _ = call(capsys, "--answers", case, "--prices", str(tmp_path / "none.toml"), "--json")
    assert (code, set(json.loads(out))) == (2, {"error"})


def test_every_default_of_the_questions_is_known_to_the_shipped_catalogue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    seen = asked(monkeypatch, {})
    code, out, err = call(capsys, "--json")
    assert code == 0, err
    assert len(seen) == len(set(seen))
    assert json.loads(out)["bills"][0]["total"]["typical"] > 0


def test_words_hold_the_advice_the_numbers_and_what_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--answers", str(CASES / "large-demand-is-self-hosted.toml"))
    assert code == 0
    assert "self-host first on node on-demand north" in out
    for part in (
        "24 months of hosted API:", "Item by item", "Where own capacity begins to cost less", "one figure moved",
        "Criteria", "Risks", "the first 30 days", "Not counted:", "from a primary source",
    ):  # fmt: skip
        assert part in out
    assert "\x1b" not in out


@pytest.mark.slow  # matplotlib
def test_the_page_is_written_and_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    case = str(CASES / "small-demand-stays-with-the-api.toml")
    code, out, _ = call(capsys, "--answers", case, "--html", str(page))
    assert code == 0
    assert f"Page: {page}" in out.replace("\n", "")
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert page.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", ["no/such/page.html", "."])
def test_a_page_that_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    case = str(CASES / "small-demand-stays-with-the-api.toml")
    code, out, err = call(capsys, "--answers", case, "--html", str(tmp_path / place))
    assert (code, out) == (2, "")
    assert "is no place for a page" in err


@pytest.mark.parametrize("case", sorted(CASES.glob("error-*.toml")), ids=lambda case: case.stem)
def test_a_bad_file_is_one_clear_error(capsys: pytest.CaptureFixture[str], case: Path) -> None:
    code, out, _ = call(capsys, "--answers", str(case), "--json")
    document = json.loads(out)
    assert (code, set(document)) == (2, {"error"})
    assert document["error"]["hint"]
    assert "Traceback" not in out


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"#" * 300_000])
def test_a_file_that_is_no_text_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "answers.toml"
    if content is not None:
        path.write_bytes(content)
    code, out, _ = call(capsys, "--answers", str(path), "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (2, "answers_invalid")
    assert str(path) in error["message"]
    assert "--example" in error["hint"]


def test_without_answers_and_terminal_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (2, "no_answers")
    assert "deploy assess --example" in error["hint"]


def test_the_example_can_be_given_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, "--example")
    assert code == 0
    path = tmp_path / "answers.toml"
    path.write_text(out, encoding="utf-8")
    assert load_situation(path) == EXAMPLE
    _, out, _ = call(capsys, "--example", "--json")
    assert json.loads(out)["data"] == EXAMPLE.data


def test_every_field_is_in_the_example_with_its_meaning() -> None:
    import msgspec

    text = render_answers(EXAMPLE)
    schemas = msgspec.json.schema(Situation)["$defs"]
    for schema in schemas.values():
        for field in schema["properties"]:
            assert any(line.lstrip("# ").startswith((f"{field} =", f"[{field}]", f"[[{field}]]", f"[hardware.{field}]"))
                       for line in text.splitlines()), field  # fmt: skip


@pytest.mark.parametrize("case", sorted(set(CASES.glob("*.toml")) - set(CASES.glob("error-*"))), ids=lambda c: c.stem)
def test_kept_answers_are_the_same_answers(case: Path, tmp_path: Path) -> None:
    situation = load_situation(case)
    path = tmp_path / "kept.toml"
    path.write_text(render_answers(situation), encoding="utf-8")
    assert load_situation(path) == situation


def asked(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> list[str]:
    """Answer the questions that begin so; Enter to all others. Return what was asked."""
    seen: list[str] = []

    def prompt(text: str, default: str = "", **_: object) -> str:
        seen.append(text)
        queue = next((queue for start, queue in answers.items() if text.startswith(start)), [])
        return queue.pop(0) if queue else default

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    return seen


def on_node() -> dict[str, list[str]]:
    return {"Host for": ["node"], "Region": ["north"], "Hosted model": ["big"]}


def test_questions_come_to_the_same_as_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.toml"
    asked(monkeypatch, {**on_node(), "Users": ["4000"], "Countries": ["se, fr"], "Keep": [str(kept)]})
    code, out, _ = call(capsys, "--json")
    assert code == 0
    assert load_situation(kept).demand.users == 4000
    assert load_situation(kept).residency == ("SE", "FR")
    assert load_situation(kept).api == (ApiUse(model="big"),)
    monkeypatch.undo()
    monkeypatch.setattr("lifecycle.prices.load_catalogue", catalogue)
    _, again, _ = call(capsys, "--answers", str(kept), "--json")
    assert json.loads(again) == json.loads(out)


def test_an_answer_that_does_not_fit_is_asked_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asked(monkeypatch, {**on_node(), "Users": ["-3", "many", "50"], "Generated tokens/s": ["9000", "1000"]})
    code, out, err = call(capsys, "--json")
    assert code == 0
    assert json.loads(out)["situation"]["demand"]["users"] == 50
    assert seen.count("Users") == 3
    assert "expected `int` >= 1" in err
    assert "a range goes low <= typical <= high" in err


def test_a_kept_file_is_never_overwritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.toml"
    kept.write_text("mine", encoding="utf-8")
    asked(monkeypatch, {**on_node(), "Keep": [str(kept), str(tmp_path / "no" / "folder"), str(tmp_path / "other")]})
    code, _, err = call(capsys, "--json")
    assert code == 0
    assert err.count("exists already, or its folder does not") == 2
    assert kept.read_text("utf-8") == "mine"
    assert load_situation(tmp_path / "other").data == "internal"


def test_answers_are_kept_even_if_they_name_what_there_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.toml"
    asked(monkeypatch, {"Keep": [str(kept)], "Host for": ["nod"], "Hosted model": ["big"]})
    code, out, _ = call(capsys, "--json")
    assert code == 2
    assert "nod" in json.loads(out)["error"]["message"]
    assert load_situation(kept).hardware[0].host == "nod"


@pytest.mark.parametrize("option", ["--html", "--prices"])
def test_a_wrong_file_name_is_told_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str
) -> None:
    seen = asked(monkeypatch, {})
    assert call(capsys, option, str(tmp_path / "no" / "file"))[0] == 2
    assert seen == []


def test_commands_that_the_first_days_name_exist() -> None:
    import re

    from planner.assess.assessment import assess

    root = typer.main.get_command(app)
    found = assess(load_situation(CASES / "large-demand-is-self-hosted.toml"), catalogue())
    text = " ".join(f"{step.how} {step.stop}" for step in found.first_days) + " ".join(found.not_counted)
    named = set(re.findall(r"`deploy (\w+)", text))
    assert named
    assert named <= set(root.commands)  # type: ignore[attr-defined]  # it is a group of commands


@pytest.mark.slow
def test_a_terminal_is_asked_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "assess"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CLOISTER_HOME": str(tmp_path / "home"), "TERM": "dumb"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        read_until(ours, b"How confidential is the data")
        os.write(ours, b"\n")
        read_until(ours, b"Currency")
        process.send_signal(signal.SIGINT)
        os.write(ours, b"\n")  # wakes the line editor, should the signal have come before it began to wait
        read_until(ours, b"interrupted")
        with contextlib.suppress(OSError):  # the other end is closed: all was said
            while os.read(ours, 65536):
                pass
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert list(tmp_path.iterdir()) == []


def read_until(terminal: int, text: bytes) -> None:
    seen, deadline = b"", time.monotonic() + 30
    while text not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)
