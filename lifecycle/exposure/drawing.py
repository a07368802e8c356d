"""The proof as a picture in a file."""

from __future__ import annotations

from pathlib import Path

from lifecycle import files
from planner.errors import UsageError
from policies.exposure.exposure import Exposure


def draw(proof: Exposure, path: Path) -> None:
    """Write the picture; only its owner can read it.

    Raises:
        UsageError: there is no place for it.

    """
    from policies.exposure.picture import picture  # noqa: PLC0415 - the layout library loads slowly

    try:
        files.write(path, picture(proof))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="Name a file in a folder that exists.", code="bad_place"
        ) from None
