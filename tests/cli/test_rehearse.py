"""`deploy rehearse`: what it asks for, what it prints, and how it exits."""

from __future__ import annotations

import json

import pytest

from cli.main import run
from lifecycle.rehearsal import rehearse as module
from lifecycle.rehearsal.records import RehearsalReport, Run
from lifecycle.rehearsal.rehearse import Wish
from lifecycle.teardown_certificate import Leftover
from planner.progress import Progress

GOOD = Run(fault="response-lost", during="up", at="ec2:CreateVpc", outcome="went on", ok=True, seconds=1.0)
KILLED = [
    Run(fault="killed-after", during="up", at=f"{number} ec2:CreateVpc", outcome="killed", ok=True, seconds=1.0)
    for number in (1, 2)
]
BROKEN = Run(
    fault="throttled", during="up", at="", outcome="failed", message="it gave [up]", ok=False, seconds=1.0
)  # a message is no markup
LEFT = Run(
    fault="reset",
    during="down",
    at="",
    outcome="failed",
    message="something is left",
    leftovers=(Leftover(kind="vpc", id="vpc-1", where="us-east-2"),),
    ok=False,
    seconds=1.0,
)
ASKED = ["rehearse", "--profile", "2xh200", "--fault", "throttled", "--fault", "reset@7", "--nodes", "3"]


def report(*runs: Run) -> RehearsalReport:
    ok = all(one.ok for one in runs)
    return RehearsalReport(profile="2xh200", nodes=3, calls=9, up_calls=5, down_calls=4, runs=runs, ok=ok, seconds=2.0)


@pytest.mark.parametrize(
    ("runs", "code", "told"),
    [
        ((GOOD, *KILLED), 0, ["3 runs hold", "ec2:CreateVpc", "2 calls"]),
        ((GOOD, BROKEN), 1, ["throttled", "FAILED: it gave [up]"]),
        ((GOOD, LEFT, BROKEN), 5, ["FAILED: something is left"]),
    ],
)
def test_a_rehearsal_is_told_and_judged(
    runs: tuple[Run, ...],
    code: int,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wishes: list[Wish] = []

    def rehearse(wish: Wish, progress: Progress) -> RehearsalReport:
        wishes.append(wish)
        return report(*runs)

    monkeypatch.setattr(module, "rehearse", rehearse)
    assert run([*ASKED, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["calls"]) == (code == 0, 9)
    assert {"fault", "at", "outcome", "leftovers"} <= document["runs"][0].keys()
    assert run(ASKED) == code
    captured = capsys.readouterr()
    for part in told:
        assert part in captured.out
    assert ("error: " in captured.err) == bool(code)
    assert wishes == [Wish(profile="2xh200", faults=("throttled", "reset@7"), nodes=3)] * 2


def test_a_fault_that_is_not_known_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rehearse", "--profile", "2xh200", "--fault", "thunder", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "unknown_fault"
    assert "response-lost" in error["hint"]
