"""The process is killed at every moment there is: around every call to the account and every write of the state.

Whatever was going on, the next `up` brings the account to what the program says, and `destroy` empties it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle import files
from planner.errors import DeployError
from sandbox.engine import StateFile
from sandbox.engine.deleting import left_by
from sandbox.engine.state import Pending, Record
from tests.sandbox.engine.fakes import ONLY, THING, Account, CrashError, Existing, FakeHandler
from tests.sandbox.engine.killed import GRAPH, LastingAccount
from tests.sandbox.engine.programs import Graph, Node, engine, expected, program

BASE: Graph = {
    "a": Node(),
    "b": Node(refs=("a",)),
    "only": Node(only=True),
    "user": Node(refs=("only",)),
    "old": Node(refs=("a",)),
}
CHANGED: Graph = {
    "a": Node(shape="square"),  # replaced, while `b` and `old` still use it
    "b": Node(size=2, refs=("a",)),  # updated
    "only": Node(only=True, shape="square"),  # deleted first, and `user` with it
    "user": Node(refs=("only",)),
    "new": Node(refs=("a",)),
}
"""`old` is gone, `new` is new."""
OTHER: Graph = {"a": Node(size=3), "b": Node(shape="square", refs=("a",)), "only": Node(only=True, size=5)}
"""What somebody asks for after the crash instead."""
WORK: dict[str, tuple[Graph, Graph]] = {
    "create": ({}, BASE),
    "change": (BASE, CHANGED),
    "delete": (BASE, {"a": BASE["a"]}),
    "new need": ({"b": Node(), "a": Node()}, {"b": Node(), "a": Node(refs=("b",))}),
    "turned round": ({"b": Node(), "a": Node(refs=("b",))}, {"a": Node(), "b": Node(refs=("a",))}),
    "replaced and turned round": (
        {"b": Node(), "a": Node(refs=("b",))},
        {"a": Node(shape="square"), "b": Node(refs=("a",))},
    ),
}
MOST = 400
"""No run here has as many moments."""
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: it is the process that dies here, not the machine."""
    monkeypatch.setattr("os.fsync", lambda _: None)


def crash_everywhere(begin: Graph, end: Graph, folder: Path, then: Callable[[Account, Path], None]) -> None:
    """Kill a run at its first moment, its second and so on until it is not killed; see each time what `then` finds."""
    for moment in range(1, MOST):
        account, state = Account(), folder / f"{moment}.json"
        engine(account, state).up(program(begin))
        account.revive(crash_at=moment)
        try:
            engine(account, state).up(program(end))
        except (CrashError, DeployError):
            assert account.dead
        else:
            assert not account.dead, "a run that was killed said that all is well"
            return
        account.revive()
        then(account, state)
    pytest.fail("the run never ended")


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
def test_up_goes_on(work: str, tmp_path: Path) -> None:
    begin, end = WORK[work]

    def then(account: Account, state: Path) -> None:
        engine(account, state).up(program(end))
        assert account.graph() == expected(end)
        account.revive()
        engine(account, state).up(program(end))
        assert account.calls == []

    crash_everywhere(begin, end, tmp_path, then)


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
def test_up_after_refresh_goes_on(work: str, tmp_path: Path) -> None:
    begin, end = WORK[work]

    def then(account: Account, state: Path) -> None:
        engine(account, state).refresh()
        engine(account, state).up(program(end))
        assert account.graph() == expected(end)

    crash_everywhere(begin, end, tmp_path, then)


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("wanted", ["before", "other"])
def test_up_goes_elsewhere(work: str, wanted: str, tmp_path: Path) -> None:
    begin, end = WORK[work]
    graph = begin if wanted == "before" else OTHER

    def then(account: Account, state: Path) -> None:
        engine(account, state).up(program(graph))
        assert account.graph() == expected(graph)

    crash_everywhere(begin, end, tmp_path, then)


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
def test_destroy_leaves_nothing(work: str, tmp_path: Path) -> None:
    def then(account: Account, state: Path) -> None:
        engine(account, state).destroy()
        assert account.things == {}
        assert engine(account, state).resources() == ()

    crash_everywhere(*WORK[work], tmp_path, then)


@pytest.mark.slow
def test_destroy_can_be_killed_too(tmp_path: Path) -> None:
    for moment in range(1, MOST):
        account, state = Account(), tmp_path / f"{moment}.json"
        engine(account, state).up(program(BASE))
        account.revive(crash_at=moment)
        try:
            engine(account, state).destroy()
        except (CrashError, DeployError):
            account.revive()
            engine(account, state).destroy()
            assert account.things == {}
        else:
            return
    pytest.fail("the run never ended")


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 4, 6, 14])
def test_killed_process(moment: int, tmp_path: Path) -> None:
    """The same with a process of its own and a real signal."""
    state, account = tmp_path / "state.json", tmp_path / "account"
    command = [sys.executable, "-m", "tests.sandbox.engine.killed", str(state), str(account), str(moment)]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    lasting = LastingAccount(account)
    engine(lasting, state).up(program(GRAPH))
    assert lasting.graph() == expected(GRAPH)
    engine(lasting, state).destroy()
    assert lasting.things == {}


@pytest.mark.parametrize(("known_type", "found"), [(ONLY, "id-1"), (THING, None)])
def test_only_a_known_resource_of_the_same_type_is_not_taken_over(
    known_type: str, found: str | None, tmp_path: Path
) -> None:
    """A role and its instance profile have the same name, which is the id of both."""
    inputs = {"name": "a", "size": 1, "shape": "round", "refs": []}
    account, state = Account(), StateFile(tmp_path / "state.json", files.write)
    account.things["id-1"] = Existing(THING, inputs)
    known = Record(urn="urn:1", type=known_type, name="a", id="id-1", inputs={}, outputs={}, parent="", dependencies=())
    with state.changing() as changed:
        changed.resources[known.urn] = known
    pending = Pending(op="create", urn="urn:2", type=THING, name="a", id="", inputs=inputs)
    assert left_by(pending, FakeHandler(THING), account, state) == found
