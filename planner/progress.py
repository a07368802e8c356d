"""How long work tells what it is doing, without knowing who listens or how it is shown."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """A tree of steps with durations, and remarks beside them."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a step below the current one; leaving the block ends it (failed if an exception leaves it)."""

    def note(self, text: str) -> None:
        """Say something worth knowing about the current step."""

    def warn(self, text: str) -> None:
        """Say something that a person should act on."""


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
