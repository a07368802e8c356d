"""What has everything loaded, and forks a process for each run."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from lifecycle.home import Home, StackHome
from lifecycle.rehearsal.account import OpenAccount
from lifecycle.rehearsal.belongings import belongings
from lifecycle.rehearsal.life import Life
from lifecycle.rehearsal.records import Assignment
from lifecycle.rehearsal.run import OneRun
from lifecycle.rehearsal.worker import Defect, Setting
from sandbox.aws.layer import Layer
from sandbox.aws.server import make_account
from sandbox.faults.catalogue import load_faults
from sandbox.handlers import waiting
from sandbox.handlers.registry import SERVICES, Boto3Clients

_FORK = multiprocessing.get_context("fork")
ANSWER_WITHIN_S = 5.0
"""How long a program waits for an answer of the account, which is in the next process."""
PATIENCE_S = 5.0
"""How long it waits for the account to change."""


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
        before: what the account held at the very beginning.
        home: the folder of the stack, where it is up; None where it is not.

    """

    setting: Setting
    layer: Layer
    places: tuple[Place, ...]
    before: frozenset[tuple[str, str]]
    home: Path | None = None


def load(setting: Setting) -> Base:
    """Import whatever runs need, and make what can be made before they are forked."""
    from stacks import deploy  # noqa: F401, PLC0415 - heavy, and loaded here once for all runs

    waiting.PATIENCE_S = PATIENCE_S
    region = setting.plan.network.region
    layer = make_account(region)
    places = tuple(_place(region) for _ in range(setting.side_by_side))
    base = Base(setting, layer, places, belongings(layer, region))
    gc.freeze()  # what is loaded stays: collections in forked processes would copy all of its pages
    return base


def _place(region: str) -> Place:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    clients = Boto3Clients(f"http://127.0.0.1:{listener.getsockname()[1]}", region, ANSWER_WITHIN_S)
    clients.warm(SERVICES)
    return Place(listener, clients)


def serve(connection: Connection, base: Base) -> None:
    """Carry out lists of assignments; every result is sent as it comes, and None when a list is through."""
    while True:
        try:
            order: Sequence[Assignment] = connection.recv()
        except EOFError:
            return
        if len(order) > 1 and order[0].during == "down":
            process = _FORK.Process(target=_from_a_stack_that_is_up, args=(connection, base, order))
            process.start()
            process.join()
        else:
            _carry_out(connection, base, order)
        connection.send(None)


def _from_a_stack_that_is_up(connection: Connection, base: Base, order: Sequence[Assignment]) -> None:
    """Bring the stack up once, in a process whose copies then all have it."""
    try:
        home = _home(base, "up")
        place = base.places[0]
        OpenAccount(base.layer, place.listener).run(Life(base.setting.plan, home, place.clients, PATIENCE_S).up)
        _carry_out(connection, replace(base, home=home.folder), order)
    except Exception:  # noqa: BLE001 - the other end tells it
        connection.send(Defect(traceback.format_exc()))


def _carry_out(connection: Connection, base: Base, order: Sequence[Assignment]) -> None:
    """Fork a process for each assignment, as many at a time as there are places."""
    left, free = list(reversed(order)), list(base.places)
    running: dict[Connection, tuple[Place, BaseProcess]] = {}
    while left or running:
        while left and free:
            place = free.pop()
            receiver, process = _begin(base, place, left.pop())
            running[receiver] = (place, process)
        ready = wait([*running, connection])
        if connection in ready:  # nobody speaks while a list is worked on: the other end is gone
            os.killpg(0, signal.SIGKILL)
        for receiver in [one for one in running if one in ready]:
            place, process = running.pop(receiver)
            try:
                connection.send(receiver.recv())
            except EOFError:
                connection.send(Defect("the process of a run ended without a word"))
            process.join()
            free.append(place)


def _begin(base: Base, place: Place, assignment: Assignment) -> tuple[Connection, BaseProcess]:
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_run, args=(sender, base, place, assignment))
    process.start()
    sender.close()
    return receiver, process


def _run(sender: Connection, base: Base, place: Place, assignment: Assignment) -> None:
    """Be the account of one run."""
    try:
        home = _home(base, f"run-{assignment.number}")
        if base.home is not None:
            shutil.copytree(base.home, home.folder, dirs_exist_ok=True)
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


def _home(base: Base, name: str) -> StackHome:
    home = Home(Path(base.setting.folder, name)).stack(base.setting.plan.stack)
    home.folder.mkdir(parents=True)
    return home
