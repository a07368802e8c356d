"""Which kills need a run of their own: those that leave what no other has left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lifecycle.rehearsal.records import KILL_AFTER, KILL_BEFORE, Assignment, Run
from sandbox.aws.environment import prepare


class Runs:
    """Takes what is to be run; a test says when a run has ended, and how."""

    sources: tuple[Any, ...] = ()

    def __init__(self, _places: Any, _commander: Any, told: Any) -> None:
        self.told = told
        self.begun: list[tuple[Assignment, Path]] = []

    def begin(self, base: Any, assignment: Assignment) -> None:
        self.begun.append((assignment, base.home))


class Account:
    """Has nothing to stop."""

    def __init__(self, *_: Any) -> None: ...

    @contextmanager
    def stopped(self) -> Iterator[None]:
        yield


class Site:
    """A life that a test leads through its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        from lifecycle.rehearsal import base, every_call, run, watched

        monkeypatch.setattr(every_call, "Runs", Runs)
        monkeypatch.setattr(every_call, "WatchedAccount", Account)
        setting: Any = SimpleNamespace(folder=str(folder), plan=SimpleNamespace(stack="rehearsal"))
        place: Any = SimpleNamespace(listener=None, clients=None)
        self.told: list[tuple[int, Any]] = []
        commander: Any = SimpleNamespace(send=self.told.append)
        made = base.Base(setting=setting, layer=None, places=(), watched=place, before=frozenset())  # type: ignore[arg-type]  # no account is needed
        self.life = every_call.EveryCall(made, commander)
        self.state = self.life._home.folder / "resources.json"
        self.state.parent.mkdir()
        self.runs: Any = self.life._runs
        self._moment, self._rehearsed = watched.Moment, run.Rehearsed

    def at(self, fault: str, call: str, changes: int, state: str) -> None:
        """Come to a moment, with the state as it is on the disk then."""
        self.state.write_text(state)
        self.life.at(self._moment(fault=fault, call=call, nth=1, changes=changes))

    def end(self, number: int, *, ok: bool) -> None:
        """End the run of a kill."""
        run = Run(fault=KILL_BEFORE, during="up", at="first", outcome="killed" if ok else "failed", ok=ok, seconds=2.0)
        self.runs.told(number, self._rehearsed(run=run, calls={}))

    @property
    def begun(self) -> list[int]:
        return [assignment.number for assignment, _ in self.runs.begun]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    for name, value in os.environ.items():  # whatever is set for moto is unset again
        monkeypatch.setenv(name, value)
    prepare("us-east-2")
    return Site(monkeypatch, tmp_path)


def test_another_change_or_another_file_is_another_run(site: Site) -> None:
    site.at(KILL_BEFORE, "ec2:CreateVpc", 0, "pending")
    site.at(KILL_AFTER, "ec2:CreateVpc", 1, "pending")
    site.at(KILL_BEFORE, "ec2:DescribeVpcs", 1, "made")
    assert site.begun == [1, 2, 3]
    (_, first), (_, second), (_, third) = site.runs.begun
    kept = [path / "resources.json" for path in (first, second, third)]
    assert [path.read_text() for path in kept] == ["pending", "pending", "made"]


def test_the_same_account_and_the_same_files_are_run_once(site: Site) -> None:
    site.at(KILL_BEFORE, "ec2:DescribeVpcs", 4, "made")
    site.at(KILL_BEFORE, "ec2:DescribeSubnets", 4, "made")
    assert (site.begun, site.told) == ([1], [])
    site.end(1, ok=True)
    site.at(KILL_BEFORE, "ec2:CreateSubnet", 4, "made")
    assert site.begun == [1]
    told = [(number, rehearsed.run.at, rehearsed.run.same_as, rehearsed.run.ok) for number, rehearsed in site.told]
    same = f"{KILL_BEFORE} ec2:DescribeVpcs#1"
    assert told == [
        (1, "first", "", True),
        (2, "ec2:DescribeSubnets#1", same, True),
        (3, "ec2:CreateSubnet#1", same, True),
    ]


def test_a_run_that_fails_fails_for_all_that_it_stands_for(site: Site) -> None:
    site.at(KILL_BEFORE, "ec2:DescribeVpcs", 4, "made")
    site.at(KILL_BEFORE, "ec2:DescribeSubnets", 4, "made")
    site.end(1, ok=False)
    assert [rehearsed.run.ok for _, rehearsed in site.told] == [False, False]


def test_files_are_told_apart_by_name_as_well(site: Site) -> None:
    site.at(KILL_BEFORE, "ec2:DescribeVpcs", 4, "made")
    site.state.with_name("settled").write_text("")
    site.at(KILL_BEFORE, "ec2:DescribeVpcs", 4, "made")
    assert site.begun == [1, 2]
