"""What a killed run of `rotate` leaves for the next, beside the material itself: which certificate, which SSH key."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from lifecycle import files
from planner.errors import DeployError
from planner.layout import Layout


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is being replaced: fingerprints of the old one, and of the new one once it is issued."""

    old: str
    new: str = ""


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the key that logs in on hosts.

    Attributes:
        began: when.
        phase: `placing`: the old key logs in; `removing`: the new one does, everywhere.
        old: public half of the old key: kind and base64.
        old_file: its private half.
        new_file: of the new one.
        made: we made the new one.

    """

    began: datetime
    phase: Literal["placing", "removing"] = "placing"
    old: str
    old_file: str
    new_file: str
    made: bool


Note = TypeVar("Note", Issued, KeyChange)
NAMES: dict[type[Issued | KeyChange], str] = {Issued: "cert", KeyChange: "ssh-key"}


def noted(layout: Layout, kind: type[Note]) -> Note | None:
    """Return what a run left; None where none did.

    Raises:
        DeployError: it is damaged. It is not passed over: it may say which of two keys logs in.

    """
    path = _file(layout, kind)
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise DeployError(
            f"what an earlier run of `deploy rotate {NAMES[kind]}` left cannot be read: {path}: {error}",
            hint="Restore the stack from a backup; or delete the file, if no rotation was killed.",
            code="rotation_damaged",
        ) from None


def keep(layout: Layout, note: Issued | KeyChange) -> None:
    """Leave it for a run that may have to go on."""
    files.write(_file(layout, type(note)), msgspec.json.encode(note))


def clear(layout: Layout, kind: type[Issued | KeyChange]) -> None:
    """Forget it: the rotation is done, or was called off."""
    _file(layout, kind).unlink(missing_ok=True)


def _file(layout: Layout, kind: type[Issued | KeyChange]) -> Path:
    return Path(layout.secrets, f"rotation-{NAMES[kind]}.json")
