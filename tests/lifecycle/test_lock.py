"""One verb at a time, and a message that names the holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.home import Home, StackHome
from lifecycle.lock import hold
from planner.errors import LockedError

HOLDER = """
import sys
from pathlib import Path
from lifecycle.home import Home
from lifecycle.lock import hold
with hold(Home(Path(sys.argv[1])).stack("s"), "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def stack(tmp_path: Path) -> StackHome:
    return Home(tmp_path).stack("s")


def holder(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_verb_is_told_who_holds_the_lock(stack: StackHome, tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        with pytest.raises(LockedError) as refused, hold(stack, "down"):
            pass
        assert f"`deploy up` (pid {other.pid}, since " in refused.value.message
        assert refused.value.exit_code == 6
        other.communicate("")


def test_a_killed_holder_leaves_no_lock(stack: StackHome, tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait(10)
        assert stack.lock.with_suffix(".json").exists(), "the note of the dead is still there"
        with hold(stack, "down"):
            pass


def test_other_stacks_are_free(tmp_path: Path) -> None:
    with hold(Home(tmp_path).stack("a"), "up"), hold(Home(tmp_path).stack("b"), "up"):
        pass
