"""How long work tells what it is doing, without knowing who listens or how it is shown."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, runtime_checkable

Phase = Literal["started", "done", "failed"]


class Progress(Protocol):
    """A tree of steps with durations, and remarks beside them."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a step below the current one; leaving the block ends it (failed if an exception leaves it)."""

    def note(self, text: str) -> None:
        """Say something worth knowing about the current step."""

    def warn(self, text: str) -> None:
        """Say something that a person should act on."""


@runtime_checkable
class Counting(Protocol):
    """A `Progress` that also shows how far the current step is, part by part."""

    def expect(self, total: int) -> None:
        """Say how many parts the current step has, as far as that is known."""

    def part(self, name: str, phase: Phase) -> None:
        """Say that a part of the current step has begun, is done, or has failed. May come from several threads."""


def expect(progress: Progress, total: int) -> None:
    """Say how many parts the current step has, to whoever counts them."""
    if isinstance(progress, Counting):
        progress.expect(total)


class Silent:
    """A `Progress` that says nothing."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a step that nobody sees."""
        del title
        return nullcontext()

    def note(self, text: str) -> None:
        """Drop the remark."""

    def warn(self, text: str) -> None:
        """Drop the warning."""
