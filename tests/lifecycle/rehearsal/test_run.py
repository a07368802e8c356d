"""What a run makes of what it sees: a toolkit that breaks a promise is found out, whichever promise it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lifecycle.rehearsal.records import KILL_AFTER, PLAIN, Assignment, Run
from lifecycle.teardown_certificate import Leftover
from sandbox.aws.environment import prepare
from sandbox.faults.catalogue import ByHand, Fault

STOPPED = Fault(
    name="f", means="", does="refuse", code="No", message="no", times=0, stops=True, says=("{call}", "deploy up")
)
GOES_ON = Fault(name="f", means="", does="lose")
BY_HAND = Fault(name="f", means="", does="by hand", by_hand=ByHand(resource="r", service="s", call="c", arguments={}))
DOWN_STOPPED = Fault(
    name="f", means="", does="refuse", code="No", message="no", during="down", stops=True, says=("deploy down",)
)


class Account:
    """Runs functions here, and lets a test break the next ones."""

    def __init__(self) -> None:
        self.layer = None
        self.injector = SimpleNamespace(calls=["ec2:CreateVpc"], hit=["ec2:CreateVpc"], set=self._set)
        self.faults: list[Any] = []
        self.broken: list[Exception | None] = []

    def _set(self, fault: Fault | None, at: str = "") -> None:
        self.faults.append(fault)

    def run(self, work: Callable[[], Any]) -> Any:
        error = self.broken.pop(0) if self.broken and self.faults[-1] is not None else None
        if error is not None:
            raise error
        return work()


class Life:
    """A toolkit that keeps its promises, until a test says otherwise."""

    def __init__(self, ended: type[Any]) -> None:
        self.plan = SimpleNamespace(network=SimpleNamespace(region="us-east-2"))
        self.ended = ended
        self.done: list[str] = []
        self.seen: list[tuple[str, ...]] = []
        self.again = {"same"}
        self.down_errors: list[str] = []
        self.sees_left: tuple[Leftover, ...] = ()

    def up(self) -> set[str]:
        self.done.append("up")
        return {"create"}

    def up_again(self) -> set[str]:
        self.done.append("up again")
        return self.again

    def look(self) -> tuple[str, ...]:
        return self.seen.pop(0) if self.seen else ()

    def change_by_hand(self, change: ByHand) -> None:
        self.done.append("by hand")

    def down(self) -> Any:
        self.done.append("down")
        error = self.down_errors.pop(0) if self.down_errors else ""
        return self.ended(error=error, swept=2, leftovers=self.sees_left)


class Site:
    """A run, and what it runs on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from lifecycle.rehearsal import run
        from lifecycle.rehearsal.account import Failed, ProgramError
        from lifecycle.rehearsal.life import Ended

        self.module = run
        self.account, self.life = Account(), Life(Ended)
        self.before: frozenset[tuple[str, str]] = frozenset()
        self.left: frozenset[tuple[str, str]] = frozenset()
        self._error: Any = lambda said, told: ProgramError(Failed(said=said, told=told))
        monkeypatch.setattr(run, "belongings", lambda *_: self.left)

    def stopped(self, said: str, *, told: bool = True) -> Exception:
        error: Exception = self._error(said, told)
        return error

    def run(self, fault: Fault | str = PLAIN, **fields: Any) -> Run:
        record, name = (fault, fault.name) if isinstance(fault, Fault) else (None, fault)
        one: Any = self.module.OneRun
        assignment = Assignment(number=1, fault=name, **fields)
        run: Run = one(self.account, self.life, assignment, record, before=self.before, is_up=False).run().run
        return run


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in os.environ.items():  # whatever is set for moto is unset again
        monkeypatch.setenv(name, value)
    prepare("us-east-2")
    return Site(monkeypatch)


def test_a_plain_life_is_lived_whole(site: Site) -> None:
    run = site.run()
    assert (run.ok, run.outcome, site.life.done) == (True, "went on", ["up", "up again", "down"])


def test_what_only_the_accounts_own_memory_knows_is_found(site: Site) -> None:
    site.left = frozenset({("vpc", "vpc-1")})
    run = site.run()
    assert (run.ok, run.outcome) == (False, "failed")
    assert run.leftovers == (Leftover(kind="vpc", id="vpc-1", where="us-east-2"),)


def test_what_was_there_before_the_stack_has_to_be_there_after_it(site: Site) -> None:
    site.before = frozenset({("vpc", "vpc-0")})
    run = site.run()
    assert (run.ok, run.message) == (False, "what is not the stack's is gone: vpc vpc-0")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seen": [("vpc vpc-2 exists and nothing knows it",)]}, "nothing knows it"),
        ({"again": {"same", "update"}}, "more than nothing: same, update"),
        ({"down_errors": ["it broke"]}, "down failed: it broke"),
        ({"sees_left": (Leftover(kind="vpc", id="vpc-1", where="r"),)}, "vpc-1"),
    ],
)
def test_a_broken_promise_fails_the_run(change: dict[str, Any], told: str, site: Site) -> None:
    vars(site.life).update(change)
    run = site.run()
    assert (run.ok, run.outcome) == (False, "failed")
    assert told in run.message


def test_a_verb_that_stops_says_why_and_goes_on(site: Site) -> None:
    site.account.broken = [site.stopped("ec2:CreateVpc refused. `deploy up` goes on")]
    run = site.run(STOPPED)
    assert (run.ok, run.outcome, run.message) == (True, "stopped", "ec2:CreateVpc refused. `deploy up` goes on")
    assert site.life.done == ["up", "up again", "down"]


@pytest.mark.parametrize(
    ("fault", "said", "told", "message"),
    [
        (STOPPED, "ec2:CreateVpc refused", True, "the message does not say deploy up"),
        (STOPPED, "TypeError: ...", False, "it stopped without words"),
        (GOES_ON, "gave up", True, "it had to go on, but stopped: gave up"),
    ],
)
def test_a_verb_that_stops_badly_fails_the_run(fault: Fault, said: str, told: bool, message: str, site: Site) -> None:
    site.account.broken = [site.stopped(said, told=told)]
    run = site.run(fault)
    assert (run.ok, run.outcome) == (False, "failed")
    assert message in run.message


def test_a_verb_that_has_to_stop_and_does_not_fails_the_run(site: Site) -> None:
    assert "it had to stop, but went on" in site.run(STOPPED).message


def test_a_call_that_is_never_made_is_told(site: Site) -> None:
    site.account.injector.hit = []
    assert site.run(GOES_ON, at="999").outcome == "not reached"


def test_a_down_that_stops_is_run_again(site: Site) -> None:
    site.life.down_errors = ["stuck. `deploy down` again"]
    run = site.run(DOWN_STOPPED, during="down")
    assert (run.ok, run.outcome, site.life.done) == (True, "stopped", ["up", "down", "down"])


def test_what_a_kill_left_is_taken_away_by_down_alone(site: Site) -> None:
    run = site.run(fault=KILL_AFTER, at="ec2:CreateVpc#1")
    assert (run.ok, run.outcome, run.at) == (True, "killed", "ec2:CreateVpc#1")
    assert site.life.done == ["down"]


def test_a_change_by_hand_that_nobody_notices_fails_the_run(site: Site) -> None:
    assert site.run(BY_HAND).message == "nobody noticed the change"
    site.life.seen = [("the vpc was changed",)]
    run = site.run(BY_HAND)
    assert (run.ok, run.outcome, run.message) == (True, "repaired", "the vpc was changed")
