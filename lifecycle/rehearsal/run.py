"""One run: a stack's life in an account of its own, in which one thing goes wrong, and what must hold at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec

from lifecycle.rehearsal.account import KilledError, OpenAccount, ProgramError
from lifecycle.rehearsal.belongings import belongings
from lifecycle.rehearsal.life import Ended, Life
from lifecycle.rehearsal.records import KILL_AFTER, KILL_BEFORE, Assignment, Outcome, Run
from lifecycle.teardown_certificate import Leftover
from sandbox.faults.catalogue import Fault


class UnmetError(Exception):
    """Something that had to hold does not."""


@dataclass
class Lived:
    """What a run has come to so far."""

    outcome: Outcome = "went on"
    message: str = ""
    at: str = ""
    swept: int = 0
    calls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Verb -> the calls that it made, where nothing went wrong."""


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """A run, and the calls that its verbs made."""

    run: Run
    calls: dict[str, tuple[str, ...]]


class OneRun:
    """Carries out one assignment.

    Args:
        account: in this process; gone when it ends.
        life: the verbs.
        assignment: what goes wrong, and when.
        fault: its record; None for the plain life and for kills.
        before: what the account held before the stack came.
        is_up: the stack is up already, or as far as a killed process has brought it.

    """

    def __init__(
        self,
        account: OpenAccount,
        life: Life,
        assignment: Assignment,
        fault: Fault | None,
        *,
        before: frozenset[tuple[str, str]],
        is_up: bool,
    ) -> None:
        self.account = account
        self.life = life
        self.assignment = assignment
        self.fault = fault
        self.before = before
        self.is_up = is_up
        self.lived = Lived(at=assignment.at)

    def run(self) -> Rehearsed:
        """Live through it."""
        started = time.monotonic()
        lived, ok = self.lived, True
        try:
            self._live()
        except (UnmetError, ProgramError, KilledError) as error:
            lived.outcome, lived.message, ok = "failed", str(error) or "the process was killed", False
        leftovers = self._leftovers()
        if leftovers and ok:
            lived.outcome, lived.message, ok = "failed", "something is left", False
        if ok and (gone := self._gone()):
            lived.outcome, lived.message, ok = "failed", f"what is not the stack's is gone: {', '.join(gone)}", False
        run = Run(
            fault=self.assignment.fault,
            during=self.assignment.during,
            at=lived.at,
            outcome=lived.outcome,
            message=lived.message,
            leftovers=leftovers,
            swept=lived.swept,
            ok=ok,
            seconds=round(time.monotonic() - started, 2),
        )
        return Rehearsed(run=run, calls=lived.calls)

    def _live(self) -> None:
        if self.assignment.fault in {KILL_BEFORE, KILL_AFTER}:
            self._killed()
        elif self.fault is None:
            self._plain()
        elif self.fault.does == "by hand":
            self._by_hand(self.fault)
        elif self.fault.during == "up":
            self._up_with(self.fault)
        else:
            self._down_with(self.fault)

    def _plain(self) -> None:
        self._up()
        self.lived.calls["up"] = tuple(self.account.injector.calls)
        self._settled()
        self._down()
        self.lived.calls["down"] = tuple(self.account.injector.calls)

    def _killed(self) -> None:
        """Go on from what a killed process has left: the account and the folder are as it left them."""
        self.lived.outcome = "killed"
        self._down()

    def _by_hand(self, fault: Fault) -> None:
        self._up()
        change = fault.by_hand
        if change is None:
            raise UnmetError(f"{fault.name} does not say what is done by hand")
        self.account.run(lambda: self.life.change_by_hand(change))
        # A look keeps what it sees in the state, as `up` does: the next one must find all as it should be.
        seen = self.account.run(self.life.look)
        if not seen:
            raise UnmetError("nobody noticed the change")
        self.lived.message, self.lived.outcome = "; ".join(seen), "repaired"
        self._again()
        self._settled()
        self._down()

    def _up_with(self, fault: Fault) -> None:
        self.account.injector.set(fault, self.assignment.at)
        try:
            self.account.run(self.life.up)
        except ProgramError as error:
            self._expected(fault, error, str(error))
            self._up()
        else:
            self._not_expected(fault)
        self._settled()
        self._down()

    def _down_with(self, fault: Fault) -> None:
        self._up()
        self.account.injector.set(fault, self.assignment.at)
        try:
            ended: Ended = self.account.run(self.life.down)
        except ProgramError as error:
            self._expected(fault, error, str(error))
        else:
            if ended.error:
                self._expected(fault, None, ended.error)
            else:
                self._not_expected(fault)
                self.lived.swept = ended.swept
        self._down()

    def _expected(self, fault: Fault, error: ProgramError | None, said: str) -> None:
        """Judge a verb that stopped: it has to, and it has to say what a person needs."""
        hit = self.account.injector.hit
        self._note_hit()
        if not fault.stops:
            raise UnmetError(f"it had to go on, but stopped: {said}")
        if error is not None and not error.told:
            raise UnmetError(f"it stopped without words: {said}")
        call = hit[0] if hit else ""
        missing = [part for part in fault.says if part.replace("{call}", call) not in said]
        if missing:
            raise UnmetError(f"the message does not say {', '.join(missing)}: {said}")
        self.lived.outcome, self.lived.message = "stopped", said

    def _not_expected(self, fault: Fault) -> None:
        """Judge a verb that went on."""
        self._note_hit()
        if not self.account.injector.hit:
            self.lived.outcome = "not reached"
        elif fault.stops:
            raise UnmetError("it had to stop, but went on")

    def _note_hit(self) -> None:
        hit = dict.fromkeys(self.account.injector.hit)
        if self.assignment.at.isdecimal():
            self.lived.at = " ".join((self.assignment.at, *hit))

    def _up(self) -> None:
        """Bring the stack up, with nothing in the way."""
        self.account.injector.set(None)
        if not self.is_up:
            self.account.run(self.life.up)
        self.is_up = False

    def _again(self) -> None:
        self.account.injector.set(None)
        self.account.run(self.life.up_again)

    def _settled(self) -> None:
        """Hold that everything is there once, as it should be, and that another `up` changes nothing."""
        self.account.injector.set(None)
        if wrong := self.account.run(self.life.look):
            raise UnmetError("; ".join(wrong))
        if (done := self.account.run(self.life.up_again)) != {"same"}:
            raise UnmetError(f"another up does more than nothing: {', '.join(sorted(done))}")

    def _down(self) -> None:
        """Take the stack away, with nothing in the way."""
        self.account.injector.set(None)
        ended: Ended = self.account.run(self.life.down)
        self.lived.swept += ended.swept
        if ended.error:
            raise UnmetError(f"down failed: {ended.error}")
        if ended.leftovers:
            raise UnmetError(f"the sweep still sees {', '.join(one.id for one in ended.leftovers)}")

    def _leftovers(self) -> tuple[Leftover, ...]:
        region = self.life.plan.network.region
        left = belongings(self.account.layer, region) - self.before
        return tuple(Leftover(kind=kind, id=one, where=region) for kind, one in sorted(left))

    def _gone(self) -> tuple[str, ...]:
        """Return what was there before the stack, a given network for example, and is not there after it."""
        gone = self.before - belongings(self.account.layer, self.life.plan.network.region)
        return tuple(f"{kind} {one}" for kind, one in sorted(gone))
