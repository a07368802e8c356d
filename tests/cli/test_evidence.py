"""`deploy evidence`: from a plan alone, with no account; what it prints and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import run

ROOT = Path(__file__).parents[2]
AT = "2026-11-21T12:00:00Z"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def evidence(home: Path, out: Path, seed: str, *arguments: str) -> Any:
    """Run it in a process of its own, with no credentials of any account."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLOISTER_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": seed,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli", "evidence", "--out", str(out), "--at", AT, "--json", *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_plan_alone_gives_evidence_and_twice_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In another home, in another folder, in another process: the same bytes, but for the signature of another key."""
    reports: list[Any] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        where = ("--profile", "2xh200", "--target", "aws")
        seed = str(len(reports))
        reports.append(evidence(tmp_path / name, tmp_path / f"{name} out", seed, *where))
    first, second = (tmp_path / f"{name} out" for name in ("one", "two"))
    names = sorted(path.name for path in first.iterdir())
    differing = [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()]
    assert differing == ["signature.dsse.json", "signer.pem"]
    assert reports[0]["ok"]
    assert reports[0]["made_at"] == AT
    content = json.loads((first / "evidence.json").read_text())
    assert content["subject"]["target"] == "aws"
    assert content["live"] is None
    assert content["exposure"]["ok"]
    assert {one["what"] for one in content["not_looked_at"]} >= {"TLS scan", "token tests", "the account"}
    verdicts = {one["id"]: one["verdict"] for one in content["rules"]}
    assert verdicts["units-read-only"] == "holds"
    assert verdicts["no-internet-path"] == "holds"
    code, checked = call(capsys, "evidence", "verify", first, "--public-key", reports[0]["public_key"])
    assert (code, checked["ok"], checked["trusted"]) == (0, True, True)
    assert call(capsys, "evidence", "verify", first, "--public-key", reports[1]["public_key"])[0] == 1
    assert run(["evidence", "verify", str(first)]) == 0
    said = capsys.readouterr().out
    assert reports[0]["key_id"] in said
    assert "Trust in it must come from elsewhere" in " ".join(said.split())
    (first / "plan.json").write_text("{}")
    (first / "more").write_text("")
    code, checked = call(capsys, "evidence", "verify", first)
    assert (code, checked["ok"], checked["changed"], checked["extra"]) == (1, False, ["plan.json"], ["more"])
    assert run(["evidence", "verify", str(first)]) == 1
    assert "plan.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["evidence"], "usage"),
        (["evidence", "--out", "x", "--target", "aws"], "usage"),
        (["evidence", "--out", "x", "--profile", "2xh20"], "unknown_profile"),
        (["evidence", "--out", "x", "--profile", "2xh200", "--target", "metal"], "no_inventory"),
        (["evidence", "--out", "x", "--profile", "2xh200", "--at", "soon"], "bad_time"),
        (["evidence", "--out", "x", "--token-env", "NO_SUCH_VARIABLE"], "usage"),
        (["evidence", "verify", "nowhere"], "no_evidence"),
        (["exposure", "--profile", "2xh200", "--svg", "no/such/folder.svg"], "usage"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    got, answer = call(capsys, *arguments)
    assert (got, answer["error"]["code"]) == (2, code)
    assert answer["error"]["hint"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_stack_there_is_nothing_to_ask(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    got, answer = call(capsys, "evidence", "--out", tmp_path / "x")
    assert (got, answer["error"]["code"]) == (1, "no_such_stack")
    assert not (tmp_path / "x").exists()
