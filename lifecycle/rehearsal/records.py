"""What is rehearsed, and what came of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lifecycle.teardown_certificate import Leftover

Verb = Literal["up", "down"]
Outcome = Literal["went on", "stopped", "killed", "repaired", "not reached", "failed"]
"""How a run went.

went on: the verb did its work all the same.
stopped: it stopped, said why, and did its work when it was run again.
killed: the process was killed.
repaired: what somebody changed by hand was found, and put right by the next `up`.
not reached: the call at which something was to go wrong was never made.
failed: what had to hold did not; `message` says what.
"""

PLAIN = "none"
"""The fault of the run in which nothing goes wrong."""
KILL_BEFORE, KILL_AFTER = "killed-before", "killed-after"
"""The faults of runs whose process is killed at a call: before or after the account has carried it out."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        number: its place in the report.
        fault: name of a fault, `PLAIN`, `KILL_BEFORE` or `KILL_AFTER`.
        at: the call that is hit: `service:Operation` or a number, empty for all that the fault fits; for kills
            `service:Operation#N`, the N-th call of the operation in the whole life.
        during: the verb that is hit.

    """

    number: int
    fault: str
    at: str = ""
    during: Verb = "up"


class KillEachCall(msgspec.Struct, frozen=True):
    """The order to live once, and to kill the process at every call: a series of runs of its own."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run, and what came of it.

    Attributes:
        fault: what went wrong.
        during: the verb that it hit.
        at: the call that it hit: its number, its name, or both, empty when several were; for kills
            `service:Operation#N`.
        outcome: how the run went.
        message: what the verb said, where it stopped; what did not hold, where the run failed.
        leftovers: what was still in the account at the end.
        swept: how many things only the sweep found: the state did not know them.
        same_as: of a kill, the other one (fault and call) that left the very same account and files: its run stands
            for this one.
        ok: all that had to hold did.
        seconds: how long it took.

    """

    fault: str
    during: Verb
    at: str
    outcome: Outcome
    message: str = ""
    leftovers: tuple[Leftover, ...] = ()
    swept: int = 0
    same_as: str = ""
    ok: bool
    seconds: float


class RehearsalReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `rehearse` found.

    Attributes:
        profile: the profile's name.
        nodes: how many nodes the stack has.
        calls: calls to AWS in a life in which nothing goes wrong: `up` and `down`.
        up_calls: of these, those of `up`.
        down_calls: of these, those of `down`.
        runs: every run.
        ok: all runs are.
        seconds: how long it took.

    """

    profile: str
    nodes: int
    calls: int
    up_calls: int
    down_calls: int
    runs: tuple[Run, ...]
    ok: bool
    seconds: float
