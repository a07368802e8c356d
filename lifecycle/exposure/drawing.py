"""The proof as a picture in a file."""

from __future__ import annotations

from pathlib import Path

from lifecycle import files
from planner.errors import UsageError
from policies.exposure.exposure import Exposure


def refuse_bad_place(path: Path) -> None:
    """Make sure that a picture can be written there, before anything is proven.

    Raises:
        UsageError: there is no such folder, or a folder has that name.

    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path} is no place for a picture", hint=f"Name a file; {path.parent} must be a folder.")


def draw(proof: Exposure, path: Path) -> None:
    """Write the picture; only its owner can read it.

    Raises:
        OSError: the folder is full or read-only.

    """
    from policies.exposure.picture import picture  # noqa: PLC0415 - the layout library loads slowly

    files.write(path, picture(proof))
