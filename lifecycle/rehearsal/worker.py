"""The process that rehearses: begun fresh, so that moto finds its environment and forks find no threads."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from planner.plan import Plan
from sandbox.aws.environment import prepare
from sandbox.aws.isolation import stay_on_this_machine


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What every run has in common.

    Attributes:
        plan: of the stack.
        folder: for everything that is written.
        side_by_side: how many runs at once.

    """

    plan: Plan
    folder: str
    side_by_side: int


class Defect(msgspec.Struct, frozen=True):
    """The rehearsal itself broke; `trace` says where."""

    trace: str


def work(connection: Connection, setting: Setting) -> None:
    """Load everything, then carry out the lists of assignments that come, until nobody sends any more."""
    os.setsid()  # Ctrl-C is for the other end, which ends this whole group
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # the SDK's deprecations are its own affair
    log = Path(setting.folder, "log")
    with log.open("ab") as sink:
        os.dup2(sink.fileno(), sys.stderr.fileno())
    logging.basicConfig(level=logging.WARNING)
    prepare(setting.plan.network.region)
    stay_on_this_machine()
    try:
        from lifecycle.rehearsal.host import load, serve  # noqa: PLC0415 - moto reads the environment when imported

        base = load(setting)
        connection.send(None)
        serve(connection, base)
    except Exception:  # noqa: BLE001 - the other end tells it
        connection.send(Defect(traceback.format_exc()))
