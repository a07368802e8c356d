"""What a rotation came to, and which ones are under way."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

What = Literal["ca", "cert", "jwks", "ssh-key"]


class Old(msgspec.Struct, frozen=True, kw_only=True):
    """What is still good beside the new: its fingerprint or id, and until when."""

    id: str
    until: datetime


class RotationReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `rotate`.

    Attributes:
        state: `under-way` while old and new are good beside each other.
        new: fingerprint (of an authority, a certificate or an SSH key) or id (of a signing key) of what holds now, or
            will hold when the rotation is finished.
        retiring: what is still good beside it, oldest first.
        removed: what this run removed.
        file: what clients (`ca`) or whoever logs in on hosts (`ssh-key`) use from now on; else empty.
        next: what to do next; empty where nothing is left to do.

    """

    stack: str
    what: What
    state: Literal["under-way", "done", "cancelled"]
    new: str
    retiring: tuple[Old, ...] = ()
    removed: tuple[str, ...] = ()
    file: str = ""
    next: str = ""


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """A rotation that was begun and is not finished.

    Attributes:
        phase: how far it has come, in a few words.
        until: how long the old one is good for, or clients have to take the new one; None where it waits for nobody.
        next: the command that goes on.

    """

    what: What
    phase: str
    until: datetime | None
    next: str


def command(stack: str, words: str) -> str:
    """Return a command of the toolkit for this stack."""
    return f"deploy rotate {words}" + ("" if stack == "default" else f" --stack {stack}")
