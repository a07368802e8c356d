"""The frame of every command: JSON alone on stdout, errors in words, exit codes as documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.app import app
from cli.main import run
from planner.errors import EXIT_CODE_MEANINGS, ExitCode

COMMANDS = [
    "up", "plan", "size", "cost", "models", "compare", "assess", "status", "verify", "token issue",
    "rotate cert", "rotate ca", "rotate jwks", "rotate ssh-key",
    "token list", "token revoke", "token rotate", "logs", "open", "ssh", "connect", "tunnel", "list", "down",
    "doctor", "hosts check", "capacity find", "drift", "sweep", "capacity buy", "capacity extend",
    "capacity show", "profiles", "profiles show", "ca", "backup", "restore", "version", "repair", "extend",
    "reap", "exposure", "iam-policy", "rehearse", "bundle seal", "bundle verify", "bundle push",
    "bundle make", "weights fetch", "weights verify",
    "alerts test",
    "audit", "policy list", "policy show", "policy check", "policy test", "policy docs",
    "evidence", "evidence verify",
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = call(capsys, *command.split(), "--help")
    assert code == 0
    assert "Example" in out
    assert f"deploy {command}" in out or command == "token revoke"


def test_the_list_of_commands_is_whole() -> None:
    import typer

    root: Any = typer.main.get_command(app)
    found = []
    for name, command in root.commands.items():
        children = getattr(command, "commands", {})
        found += [f"{name} {child}" for child in children] or [name]
        if name in {"profiles", "evidence"}:
            found.append(name)
    assert sorted(found) == sorted(COMMANDS)


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "--help")
    assert set(EXIT_CODE_MEANINGS) == set(ExitCode)
    assert all(f"{code.value}" in out for code in ExitCode)


@pytest.mark.parametrize(
    ("arguments", "code", "error", "told"),
    [
        (["up", "--profile", "2xh20"], 2, "unknown_profile", "2xh200"),
        (["up"], 2, "no_profile", "--profile"),
        (["up", "--profile", "./none.toml"], 2, "unknown_profile", "deploy profiles"),
        (["up", "--profile", "2xh200", "--stack", "Bad Name"], 2, "bad_stack_name", "lower-case"),
        (["up", "--profile", "2xh200", "--upstream", "localhost:1"], 2, "usage", "http://"),
        (["up", "--profile", "2xh200", "--upstream-key-env", "KEY"], 2, "usage", "Name the server"),
        (["status"], 1, "no_such_stack", "deploy up"),
        (["verify", "--stack", "nowhere"], 1, "no_such_stack", "deploy up"),
        (["down", "--stack", "nowhere"], 1, "no_such_stack", "deploy up"),
        (["drift", "--stack", "nowhere"], 1, "no_such_stack", "deploy up"),
        (["sweep", "--yes"], 2, "usage", "--delete"),
        (["sweep", "--stack", "Bad Name"], 2, "bad_stack_name", "lower-case"),
        (["token", "issue", "--client", "me"], 1, "no_such_stack", "deploy up"),
        (["rotate", "cert"], 1, "no_such_stack", "deploy up"),
        (["rotate", "ca", "--now"], 2, "usage", "--finish --now"),
        (["rotate", "ca", "--overlap", "7d", "--finish"], 2, "usage", "one of them"),
        (["rotate", "jwks", "--now"], 2, "usage", "--finish --now"),
        (["rotate", "ssh-key", "--cancel", "--to", "key"], 2, "usage", "one of them"),
        (["nonsense"], 2, "usage", "--help"),
        (["up", "--nonsense"], 2, "usage", "deploy up --help"),
        (["profiles", "show", "nothing"], 2, "unknown_profile", "deploy profiles"),
    ],
)
def test_an_error_is_told_in_json_and_in_words(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, error: str, told: str
) -> None:
    got, out, _ = call(capsys, *arguments, "--json")
    document = json.loads(out)
    assert (got, set(document), document["error"]["code"]) == (code, {"error"}, error)
    assert set(document["error"]) == {"code", "message", "hint"}
    assert told in document["error"]["hint"]
    got, out, err = call(capsys, *arguments)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert told in err
    assert "\x1b" not in err


def test_usage_errors_leave_nothing_behind(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    call(capsys, "up", "--profile", "2xh20")
    assert not home.exists()


def test_profiles_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "profiles", "--json")
    assert [profile["name"] for profile in json.loads(out)["profiles"]] == [
        "1xh200", "2xh200", "8xh200", "embed", "poc",
    ]  # fmt: skip
    _, out, _ = call(capsys, "profiles", "show", "2xh200")
    assert out == Path(__file__).parents[2].joinpath("profiles/2xh200.toml").read_text()
    _, out, _ = call(capsys, "profiles", "show", "2xh200", "--json")
    assert json.loads(out)["aws"]["region"] == "us-east-2"


def test_an_empty_machine_has_no_stacks(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "list", "--json")
    assert json.loads(out) == {"stacks": []}


def test_a_fingerprint_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from cli.show import card, show

    show(card("certificate", [("new", "00:AB:CD:00")]))
    assert "00:AB:CD:00" in capsys.readouterr().out


def test_a_defect_keeps_its_trace_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("lifecycle.status.list_stacks", broken)
    code, out, _ = call(capsys, "list", "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (1, "defect")
    trace = Path(error["hint"].split(" is in ")[1].split(";")[0])
    assert "planted" in trace.read_text()
    trace.unlink()
