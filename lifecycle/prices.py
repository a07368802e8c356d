"""The catalogue, with prices and machines of one's own laid over it."""

from __future__ import annotations

from pathlib import Path

from lifecycle import files
from planner.catalogue import Catalogue, load_catalogue
from planner.catalogue.overrides import with_overrides
from planner.errors import UsageError

MAX_BYTES = 1024 * 1024
"""No list of prices is larger."""


def priced_catalogue(path: Path | None) -> Catalogue:
    """Return the shipped catalogue, or the one with a file's rows in it.

    Raises:
        UsageError: the file cannot be read, or a row of it is wrong.

    """
    catalogue = load_catalogue()
    if path is None:
        return catalogue
    try:
        text = files.read_text(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}", hint="--prices takes a UTF-8 TOML file."
        ) from None
    return with_overrides(catalogue, text, str(path))
