"""Work for several hosts happens at the same time, and what was entered is left whatever else fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from lifecycle.hosts.at_once import at_once, enter_at_once

WHERE: ContextVar[str] = ContextVar("where", default="")


def test_all_are_under_way_together_and_results_are_in_order() -> None:
    together = threading.Barrier(3, timeout=10)

    def work(number: int) -> int:
        together.wait()  # one after the other, nobody would get past it
        return number * 2

    assert at_once(work, [1, 2, 3]) == [2, 4, 6]
    assert at_once(work, []) == []


def test_what_is_under_way_here_is_known_there() -> None:
    token = WHERE.set("a step")
    assert at_once(lambda _: WHERE.get(), [1, 2]) == ["a step", "a step"]
    WHERE.reset(token)


def test_the_first_failure_is_told_when_all_have_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number in {2, 3}:
            raise ValueError(number)
        ended.append(number)

    with pytest.raises(ValueError, match="2"):
        at_once(work, [1, 2, 3, 4])
    assert sorted(ended) == [1, 4]


def test_what_was_entered_is_left_where_another_cannot_be_entered() -> None:
    left: list[str] = []

    @contextlib.contextmanager
    def host(name: str) -> Iterator[str]:
        if name == "locked":
            raise ValueError(name)
        try:
            yield name
        finally:
            left.append(name)

    with contextlib.ExitStack() as stack:
        assert enter_at_once(stack, map(host, "ab")) == ["a", "b"]
        assert left == []
    assert left == ["b", "a"]
    with pytest.raises(ValueError, match="locked"), contextlib.ExitStack() as stack:
        enter_at_once(stack, map(host, ("c", "locked", "d")))
    assert left == ["b", "a", "d", "c"]
