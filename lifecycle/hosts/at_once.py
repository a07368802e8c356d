"""The same for several hosts at the same time: each is waited for only once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Host = TypeVar("Host")
Found = TypeVar("Found")
MOST = 32
"""Hosts that are worked on at the same time."""


def at_once(work: Callable[[Host], Found], hosts: Iterable[Host]) -> list[Found]:
    """Do work for every host at the same time; return the results in the hosts' order, when all have ended.

    A single host's is done in the caller's own thread, where a person can interrupt it.

    Raises:
        Exception: what the first host's work raised that failed; others may have gone through.

    """
    hosts = list(hosts)
    return [work(host) for host in hosts] if len(hosts) == 1 else [ended.result() for ended in _ended(work, hosts)]


def enter_at_once(
    stack: contextlib.ExitStack, contexts: Iterable[contextlib.AbstractContextManager[Found]], *, most: int = MOST
) -> list[Found]:
    """Enter contexts at the same time; the stack leaves all that were entered, also where another one failed.

    Args:
        stack: leaves them, one after the other.
        contexts: to be entered.
        most: how many at the same time.

    Raises:
        Exception: what the first raised that could not be entered.

    """
    contexts = list(contexts)
    ended = _ended(lambda context: context.__enter__(), contexts, most=most)
    for context, entered in zip(contexts, ended, strict=True):
        if entered.exception() is None:
            stack.push(context)
    return [entered.result() for entered in ended]


def _ended(work: Callable[[Host], Found], hosts: Iterable[Host], *, most: int = MOST) -> list[Future[Found]]:
    with ThreadPoolExecutor(max_workers=most) as pool:
        # Each in a copy of our context: its steps stand below the step that is under way here.
        return [pool.submit(copy_context().run, work, host) for host in hosts]
