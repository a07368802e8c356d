"""Cloud resources as plain records: what a program registers, before and after it exists.

These records are the common ground of the engine that carries them out and of the policies that judge them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec


class Unknown:
    """A value that is decided only when the resource exists (an id, an address)."""

    _instance: Self | None = None

    def __new__(cls) -> Self:
        """Return the one instance, so that `is UNKNOWN` works after copying."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        """Name it in messages and test output."""
        return "UNKNOWN"

    def __deepcopy__(self, memo: dict[int, Any]) -> Unknown:
        """Stay the one instance."""
        return self


UNKNOWN: Final = Unknown()

Properties = Mapping[str, Any]
"""Property names as Pulumi's wire writes them (camelCase); values are JSON, or UNKNOWN at preview."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One registered resource.

    Attributes:
        type: Pulumi type token, for example `aws:ec2/vpc:Vpc`.
        name: the program's name for it, unique per type.
        urn: unique within a stack.
        inputs: what the program asked for.
        outputs: what the provider answered; empty before the resource exists.
        id: the provider's id; empty before the resource exists, and for components.
        parent: URN of the component it belongs to; empty for the root.
        dependencies: URNs that must exist before it.

    """

    type: str
    name: str
    urn: str
    inputs: Properties
    outputs: Properties = {}
    id: str = ""
    parent: str = ""
    dependencies: tuple[str, ...] = ()
