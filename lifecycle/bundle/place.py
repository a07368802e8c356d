"""A bundle's folder made to hold exactly what was found: what is there already stays, what is too much goes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lifecycle import files
from lifecycle.bundle.folder import files_of
from planner.bundle import MANIFEST, BundleError

PARTS = ("data", "packages", "programs", "weights", "wheels")
"""Folders at the top of a bundle that is made here."""
BILL = "sbom.cdx.json"
"""The bill of materials."""


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but a bundle, for what is too much in it is removed.

    Raises:
        BundleError: it does.

    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BundleError(f"{folder} is no folder", hint="Name a new folder.")
    ours = {*PARTS, MANIFEST, BILL}
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours) if folder.exists() else []
    if others:
        raise BundleError(
            f"{folder} holds {others[0]!r}, which is no part of a bundle",
            hint="Name a new folder, or one that a bundle was made in: what it does not need is removed there.",
        )


def place(folder: Path, wanted: Mapping[str, Path | bytes]) -> None:
    """Bring every file to its place.

    A file of the same content is linked where the disk allows it, so that weights take their room once.

    Raises:
        OSError: the disk is full, or the folder cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            if not target.is_file() or target.read_bytes() != content:
                files.write(target, content, files.PUBLIC)
        elif not _same(content, target):
            _link(content, target)
    for path in files_of(folder).keys() - wanted.keys() - {BILL}:
        (folder / path).unlink()
    for parent, _, _ in os.walk(folder, topdown=False):
        if Path(parent) != folder:
            with contextlib.suppress(OSError):  # not empty
                Path(parent).rmdir()


def _same(source: Path, target: Path) -> bool:
    """Tell whether a file is there already: the same one, or a copy that was finished (it has the original's time)."""
    if not target.is_file():
        return False
    found, wanted = target.stat(), source.stat()
    return os.path.samestat(found, wanted) or (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)


def _link(source: Path, target: Path) -> None:
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:  # another disk, or one that cannot
        shutil.copyfile(source, new)
        shutil.copystat(source, new)
    new.replace(target)
