"""One life whose process is killed at every call: the account forks there, and the fork is what the kill leaves.

What a kill leaves is the account, and the stack's folder. Where both are as another kill has left them (between two
changes a program only reads), the one run stands for the other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.rehearsal.base import Base, Runs, home_of
from lifecycle.rehearsal.life import Ended, Life
from lifecycle.rehearsal.records import Assignment, Verb
from lifecycle.rehearsal.run import Rehearsed
from lifecycle.rehearsal.watched import LONGEST_LIFE_S, Moment, WatchedAccount


@dataclass
class _Left:
    """What kills leave that leave the same: the first of them, those that it stands for, and how its run went."""

    first: Assignment
    others: list[Assignment] = field(default_factory=list)
    rehearsed: Rehearsed | None = None


class EveryCall:
    """Lives once, and sees to a run for each way in which a kill can leave things."""

    def __init__(self, base: Base, commander: Connection) -> None:
        self._base = base
        self._commander = commander
        self._runs = Runs(base.places, commander, self._done)
        self._account = WatchedAccount(base.layer, base.watched.listener, self)
        self._home = home_of(base, "watched")
        self._during: Verb = "up"
        self._number = 0
        self._left: dict[tuple[int, str], _Left] = {}
        self._by_number: dict[int, _Left] = {}

    def live(self) -> None:
        """Bring the stack up and take it away, and tell the other end of each kill.

        Raises:
            RuntimeError: something went wrong in the life itself, with nothing in its way.
            ProgramError: as above.

        """
        self._home.folder.mkdir()
        life = Life(self._base.setting.plan, self._home, self._base.watched.clients, LONGEST_LIFE_S)
        self._account.run(life.up)
        self._during = "down"
        ended: Ended = self._account.run(life.down)
        if ended.error:
            raise RuntimeError(ended.error)
        self._runs.finish()

    def at(self, moment: Moment) -> None:
        """Fork the account for a run that goes on from here, unless there is one that does."""
        self._number += 1
        here = Assignment(
            number=self._number, fault=moment.fault, at=f"{moment.call}#{moment.nth}", during=self._during
        )
        copy = Path(self._base.setting.folder, f"left-{self._number}")
        with self._account.stopped():
            state = (moment.changes, _digest(self._home.folder))
            left = self._left.get(state)
            if left is None:
                shutil.copytree(self._home.folder, copy)
        if left is None:
            left = self._left[state] = self._by_number[self._number] = _Left(here)
            # The fork has the connection as well; the program gets its answer by this process alone.
            self._runs.begin(replace(self._base, home=copy), here)
        elif left.rehearsed is None:
            left.others.append(here)
        else:
            self._tell(here, left)

    @property
    def sources(self) -> list[Connection]:
        """What the runs send."""
        return self._runs.sources

    def collect(self, ready: list[Any]) -> None:
        """Take what the runs have sent."""
        self._runs.collect(ready)

    def _done(self, number: int, rehearsed: Rehearsed) -> None:
        left = self._by_number[number]
        left.rehearsed = rehearsed
        self._commander.send((number, rehearsed))
        for other in left.others:
            self._tell(other, left)

    def _tell(self, other: Assignment, left: _Left) -> None:
        """Tell of a kill that left what another one has left."""
        if left.rehearsed is None:
            raise ValueError("its run has not ended")
        same = f"{left.first.fault} {left.first.at}"
        run = msgspec.structs.replace(
            left.rehearsed.run, fault=other.fault, at=other.at, during=other.during, same_as=same, seconds=0.0
        )
        self._commander.send((other.number, msgspec.structs.replace(left.rehearsed, run=run)))


def _digest(folder: Path) -> str:
    """Return a hash of all files below a folder, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        name = os.fsencode(path.relative_to(folder))
        digest.update(b"%d %d " % (len(name), len(content)) + name + content)
    return digest.hexdigest()
