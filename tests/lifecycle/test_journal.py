"""The journal survives what cuts it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.journal import Journal, last_state, read
from planner.errors import DeployError


def test_a_step_is_recorded_before_it_happens_and_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", "up")
    with journal.step("up"):
        entries, _ = read(journal.path)
        assert [(entry.step, entry.phase) for entry in entries] == [("up", "begin")]
        assert last_state(journal.path) == "interrupted"
    assert last_state(journal.path) == "ready"


def test_a_failed_step_says_why(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", "up")
    with pytest.raises(DeployError), journal.step("up"):
        raise DeployError("no room")
    assert last_state(journal.path) == "failed"
    assert "no room" in read(journal.path)[0][-1].detail


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_line_that_was_cut_off_costs_that_line_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "up")
    with journal.step("up"):
        pass
    path.write_bytes(path.read_bytes()[:-cut])
    with journal.step("up"):
        pass
    entries, broken = read(path)
    assert broken == 1
    assert [entry.phase for entry in entries] == ["begin", "begin", "done"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_journal_is_no_state(tmp_path: Path) -> None:
    assert last_state(tmp_path / "none") == "unknown"
