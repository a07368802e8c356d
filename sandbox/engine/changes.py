"""What the engine would do, does and did."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from planner.resources import Resource

Operation = Literal["create", "update", "replace", "delete", "same"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One resource, and what becomes of it."""

    op: Operation
    type: str
    name: str
    urn: str
    properties: tuple[str, ...] = ()
    """Input properties that differ."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that somebody changed or deleted behind the engine's back.

    Attributes:
        op: `update` for changed, `delete` for gone.
        was: properties as the state has them, those that were changed.
        now: the same properties as the account has them.

    """

    op: Operation
    type: str
    name: str
    urn: str
    id: str
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens while the engine works."""

    phase: Literal["started", "done", "failed"]
    op: Operation
    type: str
    name: str
    seconds: float = 0.0


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a program registers, and what that would change."""

    resources: tuple[Resource, ...]
    changes: tuple[Change, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    changes: tuple[Change, ...]
    outputs: dict[str, Any]
    """What the program exported."""
