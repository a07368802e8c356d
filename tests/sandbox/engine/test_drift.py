"""What somebody else did to the account is seen by `refresh` and repaired by the next `up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.engine.fakes import Account
from tests.sandbox.engine.programs import Graph, Node, engine, expected, program

CHAIN: Graph = {"a": Node(), "b": Node(refs=("a",)), "c": Node()}


@pytest.fixture
def account(tmp_path: Path) -> Account:
    account = Account()
    engine(account, tmp_path / "state").up(program(CHAIN))
    account.revive()
    return account


def test_nothing_changed(account: Account, tmp_path: Path) -> None:
    before = (tmp_path / "state").read_bytes()
    assert engine(account, tmp_path / "state").refresh() == ()
    assert (tmp_path / "state").read_bytes() == before


def test_what_is_gone_is_made_again(account: Account, tmp_path: Path) -> None:
    del account.things[_id(account, "b")]
    changes = engine(account, tmp_path / "state").refresh()
    assert [(change.op, change.name) for change in changes] == [("delete", "b")]
    engine(account, tmp_path / "state").up(program(CHAIN))
    assert account.effects() == [("create", "b")]
    assert account.graph() == expected(CHAIN)


def test_what_needed_it_follows(account: Account, tmp_path: Path) -> None:
    account.things[_id(account, "b")].inputs["refs"] = []
    del account.things[_id(account, "a")]
    engine(account, tmp_path / "state").refresh()
    engine(account, tmp_path / "state").up(program(CHAIN))
    assert account.effects() == [("create", "a"), ("update", "b")]
    assert account.graph() == expected(CHAIN)


def test_what_was_changed_is_changed_back(account: Account, tmp_path: Path) -> None:
    account.things[_id(account, "c")].inputs["size"] = 99
    changes = engine(account, tmp_path / "state").refresh()
    assert [(change.op, change.name) for change in changes] == [("update", "c")]
    preview = engine(account, tmp_path / "state").preview(program(CHAIN))
    assert [change.name for change in preview.changes if change.op == "update"] == ["c"]
    engine(account, tmp_path / "state").up(program(CHAIN))
    assert account.effects() == [("update", "c")]
    assert account.graph() == expected(CHAIN)


def test_what_cannot_be_changed_back_is_replaced(account: Account, tmp_path: Path) -> None:
    account.things[_id(account, "c")].inputs["shape"] = "dented"
    engine(account, tmp_path / "state").refresh()
    engine(account, tmp_path / "state").up(program(CHAIN))
    assert account.effects() == [("create", "c"), ("delete", "c")]
    assert account.graph() == expected(CHAIN)


def test_what_is_gone_need_not_be_deleted(account: Account, tmp_path: Path) -> None:
    account.things.clear()
    engine(account, tmp_path / "state").destroy()
    assert engine(account, tmp_path / "state").resources() == ()


def _id(account: Account, name: str) -> str:
    (found,) = [key for key, thing in account.things.items() if thing.inputs["name"] == name]
    return found
