"""What runs start from, and the forking of a process for each."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lifecycle.home import Home, StackHome
from lifecycle.rehearsal.account import OpenAccount
from lifecycle.rehearsal.life import Life
from lifecycle.rehearsal.records import Assignment
from lifecycle.rehearsal.run import OneRun, Rehearsed
from lifecycle.rehearsal.worker import Defect, Setting
from sandbox.aws.layer import Layer
from sandbox.faults.catalogue import load_faults
from sandbox.handlers.clients import Boto3Clients

_FORK = multiprocessing.get_context("fork")
PATIENCE_S = 5.0
"""How long a program waits for the account to change."""


@dataclass(frozen=True)
class Place:
    """Where one run at a time can be: the port of its account, and clients of that."""

    listener: socket.socket
    clients: Boto3Clients


@dataclass(frozen=True)
class Base:
    """What runs start from.

    Attributes:
        setting: what all have in common.
        layer: the account; each run has a copy of it.
        places: as many as there are runs at once.
        watched: the place of the life whose every call is watched; its clients wait as long as that takes.
        before: what the account held at the very beginning.
        home: the folder of the stack, where there is one; each run has a copy of it.

    """

    setting: Setting
    layer: Layer
    places: tuple[Place, ...]
    watched: Place
    before: frozenset[tuple[str, str]]
    home: Path | None = None


class Runs:
    """Runs side by side, as many as there are places."""

    def __init__(
        self, places: Sequence[Place], commander: Connection, told: Callable[[int, Rehearsed], None] | None = None
    ) -> None:
        """Take the places, the other end of which asked for the runs, and who is told what they come to, by number."""
        self._free = list(places)
        self._commander = commander
        self._told = told or (lambda number, rehearsed: commander.send((number, rehearsed)))
        self._running: dict[Connection, tuple[Place, BaseProcess]] = {}

    def begin(self, base: Base, assignment: Assignment) -> None:
        """Fork a process for an assignment, as soon as there is a place."""
        while not self._free:
            self.collect(wait(self.sources))
        place = self._free.pop()
        receiver, sender = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_run, args=(sender, base, place, assignment))
        process.start()
        sender.close()
        self._running[receiver] = (place, process)

    @property
    def sources(self) -> list[Connection]:
        """What is ready to be read when there is something for `collect`."""
        return [*self._running, self._commander]

    def collect(self, ready: Sequence[Any]) -> None:
        """Tell what the runs have come to that are among what is ready."""
        if self._commander in ready:  # nobody speaks while runs are carried out: the other end is gone
            os.killpg(0, signal.SIGKILL)
        for receiver in [one for one in self._running if one in ready]:
            place, process = self._running.pop(receiver)
            try:
                answer = receiver.recv()
            except EOFError:
                answer = Defect("the process of a run ended without a word")
            process.join()
            receiver.close()
            self._free.append(place)
            if isinstance(answer, Defect):
                self._commander.send(answer)
            else:
                self._told(*answer)

    def finish(self) -> None:
        """Wait for all."""
        while self._running:
            self.collect(wait(self.sources))


def home_of(base: Base, name: str) -> StackHome:
    """Return a folder of the stack's own that does not exist yet; only those around it do."""
    home = Home(Path(base.setting.folder, name)).stack(base.setting.plan.stack)
    home.folder.parent.mkdir(parents=True)
    return home


def _run(sender: Connection, base: Base, place: Place, assignment: Assignment) -> None:
    """Be the account of one run."""
    try:
        home = home_of(base, f"run-{assignment.during}-{assignment.number}")
        if base.home is None:
            home.folder.mkdir()
        else:
            shutil.copytree(base.home, home.folder)
        run = OneRun(
            OpenAccount(base.layer, place.listener),
            Life(base.setting.plan, home, place.clients, PATIENCE_S),
            assignment,
            load_faults().get(assignment.fault),
            before=base.before,
            is_up=base.home is not None,
        )
        sender.send((assignment.number, run.run()))
        shutil.rmtree(home.home.root)
    except Exception:  # noqa: BLE001 - the other end tells it
        sender.send(Defect(traceback.format_exc()))
