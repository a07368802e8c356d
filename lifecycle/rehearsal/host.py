"""What has everything loaded, and forks a process for each run."""

from __future__ import annotations

import gc
import multiprocessing
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

import msgspec

from lifecycle.rehearsal.account import OpenAccount
from lifecycle.rehearsal.base import PATIENCE_S, Base, Place, Runs, home_of
from lifecycle.rehearsal.belongings import belongings
from lifecycle.rehearsal.every_call import EveryCall
from lifecycle.rehearsal.given import with_given
from lifecycle.rehearsal.life import Life
from lifecycle.rehearsal.records import Assignment, KillEachCall
from lifecycle.rehearsal.watched import LONGEST_LIFE_S
from lifecycle.rehearsal.worker import Defect, Setting
from sandbox.aws.server import make_account
from sandbox.handlers import waiting
from sandbox.handlers.registry import SERVICES, Boto3Clients

_FORK = multiprocessing.get_context("fork")
ANSWER_WITHIN_S = 5.0
"""How long a program waits for an answer of the account, which is in the next process."""


def load(setting: Setting) -> Base:
    """Import whatever runs need, and make what can be made before they are forked."""
    from stacks import deploy  # noqa: F401, PLC0415 - heavy, and loaded here once for all runs

    waiting.PATIENCE_S = PATIENCE_S
    region = setting.plan.network.region
    layer = make_account(region)
    places = tuple(_place(region, ANSWER_WITHIN_S) for _ in range(setting.side_by_side))
    if setting.plan.network.given:
        first = places[0]
        plan = OpenAccount(layer, first.listener).run(lambda: with_given(setting.plan, first.clients))
        setting = msgspec.structs.replace(setting, plan=plan)
    base = Base(setting, layer, places, _place(region, LONGEST_LIFE_S), belongings(layer, region))
    gc.freeze()  # what is loaded stays: collections in forked processes would copy all of its pages
    return base


def _place(region: str, answer_within_s: float) -> Place:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    clients = Boto3Clients(f"http://127.0.0.1:{listener.getsockname()[1]}", region, answer_within_s)
    clients.warm(SERVICES)
    return Place(listener, clients)


def serve(connection: Connection, base: Base) -> None:
    """Carry out orders; every result is sent as it comes, and None when an order is through."""
    while True:
        try:
            order: Sequence[Assignment] | KillEachCall = connection.recv()
        except EOFError:
            return
        if isinstance(order, KillEachCall):
            _apart(connection, partial(_kill_each_call, connection, base))
        elif len(order) > 1 and order[0].during == "down":
            _apart(connection, partial(_from_a_stack_that_is_up, connection, base, order))
        else:
            _carry_out(connection, base, order)
        connection.send(None)


def _apart(connection: Connection, work: Callable[[], None]) -> None:
    """Do something in a process of its own, which may change the account."""
    process = _FORK.Process(target=_told, args=(connection, work))
    process.start()
    process.join()
    if process.exitcode:
        connection.send(Defect(f"a process of the rehearsal ended with {process.exitcode}"))


def _told(connection: Connection, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # noqa: BLE001 - the other end tells it
        connection.send(Defect(traceback.format_exc()))


def _kill_each_call(connection: Connection, base: Base) -> None:
    EveryCall(base, connection).live()


def _from_a_stack_that_is_up(connection: Connection, base: Base, order: Sequence[Assignment]) -> None:
    """Bring the stack up once; the copies of this process then all have it."""
    home, place = home_of(base, "up"), base.places[0]
    home.folder.mkdir()
    OpenAccount(base.layer, place.listener).run(Life(base.setting.plan, home, place.clients, PATIENCE_S).up)
    _carry_out(connection, replace(base, home=home.folder), order)


def _carry_out(connection: Connection, base: Base, order: Sequence[Assignment]) -> None:
    """Fork a process for each assignment, as many at a time as there are places."""
    runs = Runs(base.places, connection)
    for assignment in order:
        runs.begin(base, assignment)
    runs.finish()
