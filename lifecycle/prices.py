"""The catalogue, with prices and machines of one's own laid over it."""

from __future__ import annotations

from pathlib import Path

from planner.catalogue import Catalogue, load_catalogue
from planner.catalogue.overrides import with_overrides
from planner.errors import UsageError

MAX_BYTES = 1024 * 1024
"""No list of prices is larger; a larger file is some other file."""


def priced_catalogue(path: Path | None) -> Catalogue:
    """Return the shipped catalogue, or the one with a file's rows in it.

    Raises:
        UsageError: the file cannot be read, or a row of it is wrong.

    """
    catalogue = load_catalogue()
    if path is None:
        return catalogue
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES // 1024} KiB: this is no list of prices")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", hint="--prices takes a UTF-8 TOML file.") from None
    return with_overrides(catalogue, text, str(path))
