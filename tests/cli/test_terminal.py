"""What a person at a terminal sees."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import run

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9][0-9;]*m")


def at_a_terminal(home: Path, **env: str) -> bytes:
    """Run `deploy plan` with all three streams on a terminal, and return what appears there."""
    ours, theirs = pty.openpty()
    base = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI", "TERM"}}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "plan", "--profile", "poc"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**base, "CLOISTER_HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **env},
        start_new_session=True,
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 1)
        if ready:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed: all was said
                break
            if not piece:
                break
            seen += piece
    os.close(ours)
    assert process.wait(10) == 0, seen.decode(errors="replace")
    return seen


@pytest.mark.slow
def test_a_terminal_gets_a_live_tree_in_colours(tmp_path: Path) -> None:
    seen = at_a_terminal(tmp_path)
    assert COLOUR.search(seen)
    assert "✓".encode() in seen
    assert b"policies" in seen


@pytest.mark.slow
def test_no_color_is_obeyed(tmp_path: Path) -> None:
    assert not COLOUR.search(at_a_terminal(tmp_path, NO_COLOR="1"))


SPOILT = """
apiVersion: v1
kind: Pod
metadata: {name: x, namespace: y}
spec: {hostNetwork: true, containers: [{name: a, image: "a:latest"}]}
"""


@pytest.mark.slow
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["words", "json"])
@pytest.mark.parametrize(
    ("words", "code"),
    [(("policy", "list"), 0), (("policy", "docs"), 0), (("--help",), 0), (("policy", "check", "pod.yaml"), 3)],
    ids=str,
)
def test_a_reader_who_leaves_changes_nothing_but_what_is_read(
    tmp_path: Path, words: tuple[str, ...], code: int, json: tuple[str, ...]
) -> None:
    """As `deploy policy list | head -1`: quietly, and a refusal stays one."""
    (tmp_path / "pod.yaml").write_text(SPOILT)
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words, *(json if words != ("--help",) else ())],
        stdout=writes,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "CLOISTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_pipe_that_breaks_within_a_command_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError("the tunnel")

    monkeypatch.setattr("lifecycle.policies.read_policy", broken)
    assert run(["policy", "list"]) == 1
    assert "the tunnel" in capsys.readouterr().err
