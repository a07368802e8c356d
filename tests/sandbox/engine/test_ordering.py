"""The order of deletion, where a run that was killed left records that cannot all be true."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.engine.ordering import in_order, key_of
from sandbox.engine.state import Record


def record(name: str, needs: str = "", *, number: int = 1, refs: Any = ()) -> Record:
    return Record(
        urn=name,
        type="t",
        name=name,
        id=f"{name}-{number}",
        inputs={"refs": refs},
        outputs={},
        parent="",
        dependencies=tuple(needs.split()),
    )


def order(*records: Record) -> list[str]:
    return [key.partition("#")[2] for key in in_order([*records]).static_order()]


def test_dependents_come_first() -> None:
    assert order(record("a"), record("b", "a"), record("c", "b")) == ["c-1", "b-1", "a-1"]


@pytest.mark.parametrize("ref", ["a-2", "arn:x:y/a-2", {"nested": ["a-2"]}])
def test_of_a_resource_and_its_replacement_the_one_that_is_named_is_needed(ref: Any) -> None:
    old, new = record("a", "b", refs=["b-1"]), record("a", number=2)
    for records in ((old, new, user := record("b", "a", refs=ref)), (user, new, old)):
        assert order(*records) == ["a-1", "b-1", "a-2"]


def test_an_id_is_not_found_in_a_longer_one() -> None:
    old, new = record("a", "b", refs=["b-1"]), record("a", number=12)
    assert order(old, new, record("b", "a", refs=["a-12"])) == ["a-1", "b-1", "a-12"]


def test_a_circle_of_names_alone_has_an_order_all_the_same() -> None:
    circle = [record("a", "b", refs=["b-1"]), record("b", "a", refs=["a-1"]), record("c", "a c", refs=["a-1"])]
    assert sorted(order(*circle)) == sorted(key_of(one).partition("#")[2] for one in circle)
