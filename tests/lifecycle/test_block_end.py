"""A block that ends later: whose nodes are told, what they are told, and what stops nobody else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from lifecycle import block_end, files
from lifecycle.home import Home, StackHome
from lifecycle.lock import hold
from lifecycle.profiles import load_profile
from planner.capacity import Drain, Held
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import to_json
from planner.profile import AwsSection
from planner.progress import Progress, Silent

ACCOUNT, BLOCK = "123456789012", "cr-0123456789abcdef0"
END = datetime(2026, 12, 3, 11, 30, tzinfo=UTC)
HELD = Held(
    id=BLOCK,
    kind="capacity-block",
    state="active",
    instance_type="p5en.48xlarge",
    zone="us-east-2a",
    total=1,
    available=0,
    start=END - timedelta(days=3),
    end=END,
)

Made = Callable[..., StackHome]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def made(home: Home) -> Made:
    """Return what makes a stack whose node runs in a block."""

    def make(name: str, *, block: str = BLOCK, account: str = ACCOUNT, configured: bool = True) -> StackHome:
        aws = AwsSection(capacity="capacity-block", reservation_id=block, zone="us-east-2a")
        profile = msgspec.structs.replace(load_profile("2xh200"), aws=aws)
        plan = make_plan(profile, load_catalogue(), Site(stack=name, target="aws"))
        plan = msgspec.structs.replace(plan, account=msgspec.structs.replace(plan.account, number=account))
        place = home.stack(name)
        place.create()
        files.write(place.plan, to_json(plan))
        if configured:
            files.write(place.nodes, "{}")
        return place

    return make


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Drain]:
    """Stack -> what its nodes were told, where nobody goes to a node."""
    told: dict[str, Drain] = {}

    def place(home: StackHome, times: Drain, progress: Progress) -> tuple[str, ...]:
        if home.name == "away":
            raise DeployError("node-0 is not reached")
        told[home.name] = times
        return ("node-0",)

    monkeypatch.setattr(block_end, "_place", place)
    return told


def tell(home: Home) -> dict[str, block_end.Told]:
    return {one.stack: one for one in block_end.tell_nodes(home.stacks(), ACCOUNT, HELD, Silent())}


def test_stacks_that_run_in_the_block_are_told_and_no_others(made: Made, placed: dict[str, Drain], home: Home) -> None:
    made("inside")
    made("other-block", block="cr-0fedcba9876543210")
    made("other-account", account="210987654321")
    made("not-configured", configured=False)
    told = tell(home)
    assert list(told) == list(placed) == ["inside"]
    assert (told["inside"].nodes, told["inside"].why_not) == (("node-0",), "")
    times = placed["inside"]
    assert (times.end, times.reclaim_at) == (END, END - timedelta(minutes=30))
    timeout_s = load_profile("2xh200").limits.request_timeout_s
    assert times.last_answer_at - times.stop_taking_at == timedelta(seconds=timeout_s)


def test_a_stack_that_cannot_be_told_stops_no_other(made: Made, placed: dict[str, Drain], home: Home) -> None:
    for name in ("away", "busy", "inside"):
        made(name)
    with hold(home.stack("busy"), "up"):
        told = tell(home)
    assert list(placed) == ["inside"]
    assert told["away"].why_not == "node-0 is not reached"
    assert "busy" in told["busy"].why_not
    assert [one.stack for one in told.values() if one.nodes] == ["inside"]


def test_nodes_are_told_as_the_stacks_hosts_are_given_everything(
    made: Made, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack that was taken down meanwhile has nobody to be told."""
    made("inside")
    asked: list[Any] = []

    class Nobody:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            asked.append((arguments[0].plan.stack, options))

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(block_end, "served_hosts", Nobody)
    assert tell(home)["inside"].nodes == ()
    assert asked == [("inside", {"as_files": True})]


def test_the_new_times_are_placed_with_everything_else_that_hosts_have(
    made: Made, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes are locked, and given what `up` gives them, with the block's new end."""
    place, given = made("inside"), dict[str, Any]()
    host = SimpleNamespace(host=SimpleNamespace(name="node-0"), connection="connection")
    served = SimpleNamespace(stack="stack", kept="kept", login="login")

    def session(of: StackHome, kept: str, verb: str, _: Progress, login: str) -> Any:
        assert (of.name, kept, verb, login) == ("inside", "kept", block_end.VERB, "login")
        return nullcontext(SimpleNamespace(hosts=(host,)))

    def serve(_: Any, stack: str, facts: dict[str, str], times: Drain) -> None:
        given.update(stack=stack, facts=facts, end=times.end)

    monkeypatch.setattr(block_end, "served_hosts", lambda *_, **__: nullcontext(served))
    monkeypatch.setattr(block_end, "HostSession", SimpleNamespace(open=session))
    monkeypatch.setattr(block_end, "read_facts", lambda connection: f"facts over {connection}")
    monkeypatch.setattr(block_end, "serve_stack", serve)
    assert tell(home)["inside"].nodes == ("node-0",)
    assert given == {"stack": "stack", "facts": {"node-0": "facts over connection"}, "end": END}
    assert "new end of the block" in place.journal.read_text()
