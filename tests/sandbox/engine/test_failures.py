"""What the engine says and does when something fails, or asks for what it does not carry out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from planner.errors import DeployError
from sandbox.engine.state import StateCorruptError
from tests.sandbox.engine.fakes import ONLY, THING, Account
from tests.sandbox.engine.programs import Graph, Node, Thing, engine, expected, program, thing

FORK: Graph = {
    "a": Node(),
    "b": Node(refs=("a",)),
    "c": Node(refs=("b",)),
    "d": Node(refs=("a",)),
    "e": Node(after=("c", "d")),
}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "resources.json"


def test_failure_stops_what_depends_on_it_and_nothing_else(account: Account, state: Path) -> None:
    account.refuse.add(("create", "b"))
    with pytest.raises(DeployError) as caught:
        engine(account, state).up(program(FORK))
    assert sorted(account.graph()) == ["a", "d"]
    assert caught.value.message == f"{THING} 'b' failed: Refused: b is not liked here"
    assert "2 resources exist" in caught.value.hint
    assert "2 resources that depend on it were not tried" in caught.value.hint
    assert "`deploy up` goes on" in caught.value.hint
    assert caught.value.code == "resource_failed"
    assert sorted(resource.name for resource in engine(account, state).resources()) == ["a", "d"]


def test_next_run_goes_on(account: Account, state: Path) -> None:
    account.refuse.add(("create", "b"))
    with pytest.raises(DeployError):
        engine(account, state).up(program(FORK))
    account.refuse.clear()
    account.revive()
    engine(account, state).up(program(FORK))
    assert account.effects() == [("create", "b"), ("create", "c"), ("create", "e")]
    assert account.graph() == expected(FORK)


def test_every_failure_is_named(account: Account, state: Path) -> None:
    account.refuse |= {("create", "b"), ("create", "d")}
    with pytest.raises(DeployError) as caught:
        engine(account, state).up(program(FORK))
    assert "'b'" in caught.value.message
    assert "'d'" in caught.value.message
    assert "also failed" in caught.value.message


def test_failed_update_is_tried_again_or_undone(account: Account, state: Path) -> None:
    engine(account, state).up(program(FORK))
    bigger = {**FORK, "b": Node(size=2, refs=("a",))}
    account.refuse.add(("update", "b"))
    with pytest.raises(DeployError, match="b is not liked"):
        engine(account, state).up(program(bigger))
    account.refuse.clear()
    engine(account, state).up(program(FORK))
    assert account.graph() == expected(FORK)
    engine(account, state).up(program(bigger))
    assert account.graph() == expected(bigger)


def test_nothing_is_deleted_when_something_failed(account: Account, state: Path) -> None:
    engine(account, state).up(program(FORK))
    account.revive()
    account.refuse.add(("create", "new"))
    with pytest.raises(DeployError):
        engine(account, state).up(program({"a": FORK["a"], "new": Node()}))
    assert account.names("delete") == []


def test_deletion_that_fails_keeps_what_the_rest_needs(account: Account, state: Path) -> None:
    engine(account, state).up(program(FORK))
    account.refuse.add(("delete", "b"))
    with pytest.raises(DeployError, match="'b' failed: Refused: b is not liked here"):
        engine(account, state).destroy()
    assert sorted(account.graph()) == ["a", "b"]
    account.refuse.clear()
    engine(account, state).destroy()
    assert account.things == {}


def test_failed_replacement_leaves_the_old_one_to_be_deleted_later(account: Account, state: Path) -> None:
    engine(account, state).up(program(FORK))
    account.refuse.add(("create", "a"))
    changed = {**FORK, "a": Node(shape="square")}
    with pytest.raises(DeployError):
        engine(account, state).up(program(changed))
    assert account.graph() == expected(FORK)
    account.refuse.clear()
    engine(account, state).up(program(changed))
    assert account.graph() == expected(changed)


def test_failed_replacement_can_be_taken_away(account: Account, state: Path) -> None:
    engine(account, state).up(program(FORK))
    account.refuse.add(("update", "b"))
    with pytest.raises(DeployError):
        engine(account, state).up(program({**FORK, "a": Node(shape="square")}))
    assert len(account.things) == 6
    engine(account, state).destroy()
    assert account.things == {}


def test_the_programs_own_fault_is_told_as_it_is(account: Account, state: Path) -> None:
    def faulty() -> None:
        thing("a")
        raise KeyError("mistake")

    engine(account, state).up(program(FORK))
    account.revive()
    with pytest.raises(KeyError, match="mistake"):
        engine(account, state).up(faulty)
    assert account.effects() == []


def test_unknown_type_is_refused_before_anything_happens(account: Account, state: Path) -> None:
    def run() -> None:
        thing("a")
        Thing("fake:x/y:Unheard", "b", {}, None)

    with pytest.raises(DeployError, match="fake:x/y:Unheard") as caught:
        engine(account, state).preview(run)
    assert caught.value.code == "unknown_resource_type"
    assert caught.value.hint


OPTIONS: dict[str, dict[str, Any]] = {
    "protect": {"protect": True},
    "retainOnDelete": {"retain_on_delete": True},
    "importId": {"import_": "id-1"},
    "aliases": {"aliases": [pulumi.Alias(name="old")]},
    "replaceOnChanges of tags.x": {"replace_on_changes": ["tags.x"]},
    "ignoreChanges of tags.x": {"ignore_changes": ["tags.x"]},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("verb", ["preview", "up"])
def test_options_that_are_not_carried_out_are_refused(account: Account, state: Path, verb: str, option: str) -> None:
    def run() -> None:
        thing("a", pulumi.ResourceOptions(**OPTIONS[option]))

    with pytest.raises(DeployError, match=option) as caught:
        getattr(engine(account, state), verb)(run)
    assert caught.value.code == "unsupported"
    assert account.things == {}


def test_deleted_with_is_refused(account: Account, state: Path) -> None:
    def run() -> None:
        thing("b", pulumi.ResourceOptions(deleted_with=thing("a")))

    with pytest.raises(DeployError, match="deletedWith"):
        engine(account, state).preview(run)


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_secrets_are_refused_and_not_repeated(account: Account, state: Path, verb: str) -> None:
    def run() -> None:
        thing("vault", shape=pulumi.Output.secret("hunter2"))

    with pytest.raises(DeployError, match="vault") as caught:
        getattr(engine(account, state), verb)(run)
    assert caught.value.code == "secret_in_program"
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert account.things == {}
    assert not state.exists() or b"hunter2" not in state.read_bytes()


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_secrets_are_not_exported(account: Account, state: Path, verb: str) -> None:
    with pytest.raises(DeployError) as caught:
        getattr(engine(account, state), verb)(lambda: pulumi.export("x", pulumi.Output.secret("hunter2")))
    assert caught.value.code == "secret_in_program"
    assert not state.exists() or b"hunter2" not in state.read_bytes()


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_two_resources_of_one_name_are_refused(account: Account, state: Path, verb: str) -> None:
    def run() -> None:
        thing("a", shape="round")
        thing("a", shape="square")

    with pytest.raises(DeployError, match="'a' twice") as caught:
        getattr(engine(account, state), verb)(run)
    assert caught.value.code == "duplicate_resource"


def test_existing_resources_are_not_read(account: Account, state: Path) -> None:
    class Known(pulumi.CustomResource):
        def __init__(self) -> None:
            super().__init__(THING, "a", {}, pulumi.ResourceOptions(id="id-1"))

    with pytest.raises(DeployError) as caught:
        engine(account, state).up(lambda: _ignore(Known()))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_unknown_data_source_is_refused(account: Account, state: Path, verb: str) -> None:
    with pytest.raises(DeployError, match="fake:x/get:get") as caught:
        getattr(engine(account, state), verb)(lambda: pulumi.runtime.invoke("fake:x/get:get", {}))
    assert caught.value.code == "unknown_data_source"


def test_without_an_account_nothing_is_carried_out(state: Path) -> None:
    for verb in ("refresh", "destroy"):
        with pytest.raises(DeployError, match="without an account"):
            getattr(engine(Account(), state, clients=None), verb)()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"resources": {"x": 1}}', '{"secrets": {}}', '{"schema": 99}'])
def test_damaged_state_is_told_and_left_alone(account: Account, state: Path, damage: str) -> None:
    engine(account, state).up(program({"a": Node(only=True)}))
    state.write_text(damage)
    account.revive()
    for verb in ("refresh", "destroy", "resources"):
        with pytest.raises(StateCorruptError, match=state.name) as caught:
            getattr(engine(account, state), verb)()
        assert caught.value.hint
    for verb in ("up", "preview"):
        with pytest.raises(StateCorruptError):
            getattr(engine(account, state), verb)(program({"a": Node()}))
    assert account.calls == []
    assert state.read_text() == damage


def test_state_that_cannot_be_written_stops_before_the_account_is_asked(account: Account, tmp_path: Path) -> None:
    with pytest.raises(DeployError) as caught:
        engine(account, tmp_path / "missing" / "resources.json").up(program({"a": Node()}))
    assert caught.value.code == "state_not_writable"
    assert account.things == {}


def test_state_is_for_its_owner_alone(account: Account, state: Path) -> None:
    engine(account, state).up(program({"a": Node()}))
    assert state.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.parent.iterdir()] == [state.name]


def test_the_account_refuses_two_of_what_can_be_only_once(account: Account, state: Path) -> None:
    """The fake is as strict as it says: without `delete_before_replace` the new one cannot be made."""

    def only(shape: str) -> None:
        thing("a", kind=ONLY, shape=shape)

    engine(account, state).up(lambda: only("round"))
    with pytest.raises(DeployError, match="AlreadyExists"):
        engine(account, state).up(lambda: only("square"))


def _ignore(_: object) -> None:
    """Make a program of an expression."""
