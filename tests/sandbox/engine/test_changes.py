"""What the engine does when a program is new, the same, changed, or smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from planner.resources import UNKNOWN
from sandbox.engine import Event
from tests.sandbox.engine.fakes import ONLY, THING, Account
from tests.sandbox.engine.programs import Graph, Group, Node, engine, expected, program, thing

CHAIN: Graph = {"a": Node(), "b": Node(refs=("a",)), "c": Node(refs=("b",)), "d": Node()}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "resources.json"


def operations(changes: object) -> dict[str, str]:
    assert isinstance(changes, tuple)
    return {change.name: change.op for change in changes}


def test_preview_touches_nothing(account: Account, state: Path) -> None:
    preview = engine(account, state, clients=None).preview(program(CHAIN))
    assert operations(preview.changes) == dict.fromkeys(CHAIN, "create")
    inputs = {resource.name: resource.inputs for resource in preview.resources}
    assert inputs["b"]["refs"] == [UNKNOWN]
    assert inputs["a"] == {"name": "a", "size": 1, "shape": "round", "refs": []}
    assert account.calls == []
    assert not state.exists()


def test_preview_of_a_change_touches_nothing(account: Account, state: Path) -> None:
    engine(account, state).up(program(CHAIN))
    account.revive()
    before = state.read_bytes()
    changed = {**CHAIN, "a": Node(size=2), "d": Node(shape="square"), "e": Node()}
    preview = engine(account, state).preview(program({key: changed[key] for key in "abde"}))
    assert operations(preview.changes) == {"a": "update", "b": "same", "c": "delete", "d": "replace", "e": "create"}
    assert {change.name: change.properties for change in preview.changes}["a"] == ("size",)
    assert account.calls == []
    assert state.read_bytes() == before


def test_creation_follows_dependencies(account: Account, state: Path) -> None:
    result = engine(account, state).up(program(CHAIN))
    assert account.graph() == expected(CHAIN)
    assert operations(result.changes) == dict.fromkeys(CHAIN, "create")
    made = account.names("create")
    assert made.index("a") < made.index("b") < made.index("c")
    ids = {existing.inputs["name"]: key for key, existing in account.things.items()}
    assert result.outputs == {"ids": ids}


def test_second_run_asks_the_account_for_nothing(account: Account, state: Path) -> None:
    first = engine(account, state).up(program(CHAIN))
    account.revive()
    result = engine(account, state).up(program(CHAIN))
    assert operations(result.changes) == dict.fromkeys(CHAIN, "same")
    assert account.calls == []
    assert result.outputs == first.outputs


def test_update_in_place_keeps_the_rest(account: Account, state: Path) -> None:
    engine(account, state).up(program(CHAIN))
    ids = set(account.things)
    account.revive()
    changed = {**CHAIN, "b": Node(size=7, refs=("a",))}
    result = engine(account, state).up(program(changed))
    assert account.effects() == [("update", "b")]
    assert set(account.things) == ids
    assert account.graph() == expected(changed)
    assert operations(result.changes) == {"a": "same", "b": "update", "c": "same", "d": "same"}


def test_replacement_is_there_before_the_old_one_goes(account: Account, state: Path) -> None:
    engine(account, state).up(program(CHAIN))
    account.revive()
    changed = {**CHAIN, "a": Node(shape="square")}
    result = engine(account, state).up(program(changed))
    assert account.effects() == [("create", "a"), ("update", "b"), ("delete", "a")]
    assert account.graph() == expected(changed)
    assert [change.op for change in result.changes if change.name == "a"] == ["replace", "delete"]


def test_what_cannot_exist_twice_goes_first_with_its_dependents(account: Account, state: Path) -> None:
    chain = {**CHAIN, "a": Node(only=True)}
    engine(account, state).up(program(chain))
    account.revive()
    changed = {**chain, "a": Node(only=True, shape="square")}
    preview = engine(account, state).preview(program(changed))
    assert operations(preview.changes) == {"a": "replace", "b": "replace", "c": "replace", "d": "same"}
    result = engine(account, state).up(program(changed))
    assert account.effects() == [
        ("delete", "c"), ("delete", "b"), ("delete", "a"), ("create", "a"), ("create", "b"), ("create", "c"),
    ]  # fmt: skip
    assert account.graph() == expected(changed)
    assert operations(result.changes)["d"] == "same"


def test_what_no_longer_depends_on_it_stays(account: Account, state: Path) -> None:
    """`b` lets go of `a` in the very run that replaces `a`."""
    chain = {"a": Node(only=True), "b": Node(refs=("a",)), "c": Node(refs=("b",))}
    engine(account, state).up(program(chain))
    account.revive()
    changed = {"b": Node(), "c": Node(refs=("b",)), "a": Node(only=True, shape="square", after=("c",))}
    engine(account, state).up(program(changed))
    assert account.graph() == expected(changed)
    assert account.effects() == [("update", "b"), ("delete", "a"), ("create", "a")]


def test_what_the_program_forgets_is_deleted_in_reverse_order(account: Account, state: Path) -> None:
    engine(account, state).up(program(CHAIN))
    account.revive()
    result = engine(account, state).up(program({"d": CHAIN["d"]}))
    assert account.effects() == [("delete", "c"), ("delete", "b"), ("delete", "a")]
    assert account.graph() == expected({"d": CHAIN["d"]})
    assert operations(result.changes) == {"a": "delete", "b": "delete", "c": "delete", "d": "same"}
    assert [resource.name for resource in engine(account, state).resources()] == ["d"]


def test_what_only_waits_for_another_is_deleted_before_it(account: Account, state: Path) -> None:
    graph = {"a": Node(), "b": Node(after=("a",)), "c": Node(after=("b",))}
    engine(account, state).up(program(graph))
    account.revive()
    engine(account, state).destroy()
    assert account.names("delete") == ["c", "b", "a"]


def test_destroy_needs_no_program_and_can_be_repeated(account: Account, state: Path) -> None:
    engine(account, state).up(program(CHAIN))
    result = engine(account, state).destroy()
    assert account.things == {}
    assert sorted(change.name for change in result.changes) == sorted(CHAIN)
    assert engine(account, state).resources() == ()
    account.revive()
    assert engine(account, state).destroy().changes == ()
    assert account.calls == []


def test_components_have_no_place_in_the_account(account: Account, state: Path) -> None:
    def run() -> None:
        group = Group("g")
        thing("a", pulumi.ResourceOptions(parent=group))
        thing("b", pulumi.ResourceOptions(depends_on=[group]))

    result = engine(account, state).up(run)
    assert account.names("create") == ["a", "b"]
    assert operations(result.changes) == {"a": "create", "b": "create"}
    by_name = {resource.name: resource for resource in engine(account, state).resources()}
    assert by_name["a"].parent == by_name["g"].urn
    assert by_name["a"].urn in by_name["b"].dependencies
    engine(account, state).up(lambda: None)
    assert account.things == {}
    assert engine(account, state).resources() == ()


def test_dependencies_that_change_alone_are_recorded(account: Account, state: Path) -> None:
    engine(account, state).up(program({"a": Node(), "b": Node()}))
    engine(account, state).up(program({"b": Node(), "a": Node(after=("b",))}))
    account.revive()
    engine(account, state).destroy()
    assert account.names("delete") == ["a", "b"]


def test_ignored_changes_are_ignored_now_and_later(account: Account, state: Path) -> None:
    def sized(size: int, *ignored: str, shape: str = "round") -> None:
        thing("a", pulumi.ResourceOptions(ignore_changes=list(ignored)), size=size, shape=shape)

    engine(account, state).up(lambda: sized(1))
    account.revive()
    assert operations(engine(account, state).preview(lambda: sized(2, "size")).changes) == {"a": "same"}
    engine(account, state).up(lambda: sized(2, "size"))
    assert account.effects() == []
    engine(account, state).up(lambda: sized(2, "size", shape="square"))
    assert account.graph()["a"][1:3] == ("square", 1)
    engine(account, state).up(lambda: sized(2, shape="square"))
    assert account.graph()["a"][1:3] == ("square", 2)


def test_a_change_that_is_to_be_a_replacement_is_one(account: Account, state: Path) -> None:
    def run(size: int) -> Callable[[], None]:
        def registered() -> None:
            thing("a", pulumi.ResourceOptions(replace_on_changes=["size"]), size=size)

        return registered

    engine(account, state).up(run(1))
    (before,) = account.things
    foreseen = engine(account, state).preview(run(2))
    done = engine(account, state).up(run(2))
    assert ("replace", ("size",)) in {(change.op, change.properties) for change in foreseen.changes}
    assert [change.op for change in done.changes] == ["replace", "delete"]
    assert before not in account.things
    assert engine(account, state).up(run(2)).changes[0].op == "same"


def test_outputs_reach_what_depends_on_them(account: Account, state: Path) -> None:
    seen: list[str] = []

    def run() -> None:
        first = thing("a")
        first.arn.apply(seen.append)
        pulumi.export("arn", first.arn)

    result = engine(account, state).up(run)
    (made,) = account.things
    assert result.outputs == {"arn": f"arn:{made}"}
    assert engine(account, state).up(run).outputs == result.outputs
    assert seen == [f"arn:{made}"] * 2


def test_events_tell_what_happens(account: Account, state: Path) -> None:
    events: list[Event] = []
    engine(account, state, listener=events.append).up(program({"a": Node()}))
    account.refuse.add(("delete", "a"))
    with pytest.raises(Exception, match="not liked"):
        engine(account, state, listener=events.append).destroy()
    told = [(event.phase, event.op, event.type, event.name) for event in events]
    assert told == [
        ("started", "create", THING, "a"),
        ("done", "create", THING, "a"),
        ("started", "delete", THING, "a"),
        ("failed", "delete", THING, "a"),
    ]


def test_data_sources_ask_the_account_where_there_is_one(account: Account, state: Path) -> None:
    def run() -> None:
        answer = pulumi.runtime.invoke("fake:x/get:get", {"key": "k"}).value
        thing("a", shape=answer["shape"])

    online = {"fake:x/get:get": lambda clients, arguments: {"shape": f"{clients.region}-{arguments['key']}"}}
    offline = {"fake:x/get:get": lambda arguments: {"shape": "later"}}
    preview = engine(account, state, clients=None, invokes=online, offline=offline).preview(run)
    assert preview.resources[0].inputs["shape"] == "later"
    engine(account, state, invokes=online, offline=offline).up(run)
    assert account.graph() == {"a": (THING, "fake-1-k", 1, [])}


def test_types_of_the_same_name_are_different_resources(account: Account, state: Path) -> None:
    engine(account, state).up(program({"a": Node()}))
    engine(account, state).up(program({"a": Node(only=True)}))
    assert account.graph() == {"a": (ONLY, "round", 1, [])}
