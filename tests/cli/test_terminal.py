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
