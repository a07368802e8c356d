"""How far a long step is: parts done of all, and the slow ones by name."""

from __future__ import annotations

import time

import pytest

from cli import progress_view
from cli.progress_view import LineView, Step
from planner.progress import Counting, Progress, Silent, expect


def counted(view: LineView) -> Step:
    (step,) = (one for one in view.root.inside if isinstance(one, Step))
    return step


def test_parts_are_counted_and_slow_ones_named(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view = LineView()
    with view.step("resources"):
        expect(view, 4)
        view.part("create vpc", "started")
        view.part("create node-0", "started")
        view.part("create key", "started")
        view.part("create vpc", "done")
        view.part("create key", "failed")
        assert counted(view).count() == "1/4, 1 failed"
        now += 7
        assert counted(view).count() == "1/4, 1 failed, waiting for create node-0 (7 s)"


def test_a_count_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view = LineView()
    with view.step("resources"):
        counted(view).started = now
        for number in range(30):
            now += 1
            view.part(f"create {number}", "started")
            view.part(f"create {number}", "done")
    lines = [line for line in capsys.readouterr().err.splitlines() if "resources: " in line]
    assert len(lines) == 30 // int(progress_view.LINE_EVERY_S)
    assert lines[0].endswith("resources: 9")  # as the tenth part begins


def test_who_counts_is_told_and_others_are_left_alone() -> None:
    view: Progress = LineView()
    assert isinstance(view, Counting)
    expect(Silent(), 3)
