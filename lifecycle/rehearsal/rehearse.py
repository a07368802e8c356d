"""`rehearse`: the life of the AWS stack, lived again and again while things go wrong."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from lifecycle.lifetime import asked_lifetime
from lifecycle.model_config import config_of
from lifecycle.profiles import load_profile
from lifecycle.rehearsal.records import PLAIN, Assignment, KillEachCall, RehearsalReport, Run
from lifecycle.rehearsal.worker import Defect, Setting, work
from planner.catalogue import load_catalogue
from planner.errors import DeployError, UsageError
from planner.make_plan import Site, make_plan
from planner.placement import Placed, choose_host, plan_nodes
from planner.plan import Plan
from planner.progress import Progress
from sandbox.faults.catalogue import Fault, load_faults

STACK = "rehearsal"
MOST_SIDE_BY_SIDE = 4
TELL_EVERY = 25
"""Runs of a long series after which progress is told."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be rehearsed.

    Attributes:
        profile: name or path.
        faults: `NAME` or `NAME@CALL`, CALL being `RunInstances`, `ec2:RunInstances` or a number; empty for all, or
            for none where the process is killed at each call.
        kill_each_call: kill the process at every call of `up` and of `down`.
        nodes: how many nodes; 0 for as many as the profile has.
        ttl: how long the stack may live, for example `8h`; empty for what the profile says.

    """

    profile: str
    faults: tuple[str, ...] = ()
    kill_each_call: bool = False
    nodes: int = 0
    ttl: str = ""


def rehearse(wish: Wish, progress: Progress) -> RehearsalReport:
    """Rehearse; nothing is left of it on this machine.

    Raises:
        UsageError: there is no such fault, call or profile.
        DeployError: even the life in which nothing goes wrong fails, or the rehearsal itself does.

    """
    started = time.monotonic()
    chosen = [_chosen(text) for text in wish.faults]
    if not wish.faults and not wish.kill_each_call:
        chosen = [(fault, "") for fault in load_faults().values()]
    plan = _plan(wish)
    with tempfile.TemporaryDirectory(prefix="cloister-rehearsal-") as folder:
        setting = Setting(plan=plan, folder=folder, side_by_side=_side_by_side())
        with progress.step("load the emulated account"):
            worker = Worker(setting)
        with worker:
            rehearsal = _Rehearsal(worker, progress)
            up, down = rehearsal.plain()
            for fault, at in chosen:
                rehearsal.fault(fault, at, up if fault.during == "up" else down)
            if wish.kill_each_call:
                rehearsal.kill_each_call(len(up) + len(down))
    return RehearsalReport(
        profile=plan.profile,
        nodes=len(plan.nodes),
        calls=len(up) + len(down),
        up_calls=len(up),
        down_calls=len(down),
        runs=tuple(rehearsal.runs),
        ok=all(run.ok for run in rehearsal.runs),
        seconds=round(time.monotonic() - started, 1),
    )


class Worker:
    """The other process. Whatever ends the block ends it, and all that it has forked."""

    def __init__(self, setting: Setting) -> None:
        # A fresh process: this one may have threads, which a fork would leave in the middle of something.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=work, args=(other, setting))
        self._process.start()
        other.close()
        try:
            self._receive()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if group := self._process.pid:
            with suppress(ProcessLookupError):  # it has not come as far as to have a group, or has ended
                os.killpg(group, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def carry_out(self, order: list[Assignment] | KillEachCall) -> Iterator[tuple[int, Any]]:
        """Yield number and result of each run, as they end."""
        self._connection.send(order)
        while (answer := self._receive()) is not None:
            yield answer

    def _receive(self) -> Any:
        try:
            answer: Any = self._connection.recv()
        except EOFError:
            answer = Defect("the process that rehearses ended without a word")
        if isinstance(answer, Defect):
            raise DeployError(
                f"the rehearsal itself failed: {answer.trace.strip().splitlines()[-1]}",
                hint="This is a defect of the toolkit; a report that holds the lines above will help.",
                code="rehearsal_failed",
                details=tuple(("trace", line) for line in answer.trace.strip().splitlines()),
            )
        return answer


class _Rehearsal:
    """Carries out series of runs."""

    def __init__(self, worker: Worker, progress: Progress) -> None:
        self.worker = worker
        self.progress = progress
        self.runs: list[Run] = []

    def plain(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Live once with nothing in the way; return the calls of `up` and of `down`.

        Raises:
            DeployError: even that fails.

        """
        with self.progress.step("nothing goes wrong"):
            ((_, done),) = self.worker.carry_out([Assignment(number=0, fault=PLAIN)])
        if not done.run.ok:
            raise DeployError(
                f"even where nothing goes wrong, the stack's life fails: {done.run.message}",
                hint="A network that the profile gives is made for the rehearsal; other things of your own account (a "
                "reservation, networks of consumers) are not, and a profile that names them cannot be rehearsed.",
                code="rehearsal_failed",
            )
        self.runs.append(done.run)
        return done.calls["up"], done.calls["down"]

    def fault(self, fault: Fault, at: str, calls: tuple[str, ...]) -> None:
        """Rehearse one fault: at the call that is named, else wherever its record says.

        Raises:
            UsageError: the call is never made.

        """
        places = [at] if at else list(dict.fromkeys(call for call in calls if fault.fits(call))) if fault.each else [""]
        if at and not at.isdecimal():
            places = [_call(at, calls)]
        series = [
            Assignment(number=number, fault=fault.name, at=place, during=fault.during)
            for number, place in enumerate(places)
        ]
        self._series(f"{fault.name}: {fault.means}", series)

    def kill_each_call(self, calls: int) -> None:
        """Kill the process at every call: before it is carried out, and after, where that makes a difference."""
        self._series(f"the process is killed at each of some {calls} calls", KillEachCall())

    def _series(self, title: str, order: list[Assignment] | KillEachCall) -> None:
        done: dict[int, Run] = {}
        of = "" if isinstance(order, KillEachCall) else f" of {len(order)}"
        with self.progress.step(
            title if isinstance(order, KillEachCall) or len(order) < 2 else f"{title} ({len(order)} runs)"
        ):
            for number, rehearsed in self.worker.carry_out(order):
                run = done[number] = rehearsed.run
                if not run.ok:
                    self.progress.warn(f"{run.at or 'everywhere'}: {run.message}")
                if len(done) % TELL_EVERY == 0:
                    self.progress.note(f"{len(done)}{of}")
        self.runs += [done[number] for number in sorted(done)]


def _chosen(text: str) -> tuple[Fault, str]:
    """Read `NAME[@CALL]`."""
    name, _, at = text.partition("@")
    faults = load_faults()
    if name not in faults:
        raise UsageError(f"there is no fault {name!r}", hint=f"There are: {', '.join(faults)}.", code="unknown_fault")
    return faults[name], at


def _call(at: str, calls: tuple[str, ...]) -> str:
    """Return the full name of a call."""
    for call in calls:
        if at in {call, call.partition(":")[2]}:
            return call
    raise UsageError(
        f"the stack's life has no call {at!r}",
        hint=f"It has: {', '.join(sorted(set(calls)))}; or a number from 1 to {len(calls)}.",
        code="unknown_call",
    )


def _plan(wish: Wish) -> Plan:
    profile, catalogue = load_profile(wish.profile), load_catalogue()
    lifetime = asked_lifetime(profile.lifetime, ttl=wish.ttl, until="", max_cost=None, now=datetime.now(UTC))
    plan = make_plan(profile, catalogue, Site(stack=STACK, model_config=config_of(profile.model), lifetime=lifetime))
    if not wish.nodes:
        return plan
    host, _ = choose_host(profile, catalogue)
    placed = Placed(replicas=wish.nodes, nodes=wish.nodes, decisions=())
    return msgspec.structs.replace(plan, nodes=plan_nodes(profile, host, plan.network, placed))


def _side_by_side() -> int:
    return max(1, min(MOST_SIDE_BY_SIDE, os.cpu_count() or 1))
