"""Files that are either the old ones or the new ones, whatever happens in between, with modes as they must be."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

PRIVATE = 0o600
"""Only the owner reads it: keys, secrets, registers."""

PUBLIC = 0o644
"""Everybody on the host reads it: certificates, public keys."""


def write(path: Path, content: bytes | str, mode: int = PRIVATE) -> None:
    """Replace a file at once: a reader sees the old content or the new, and never with a looser mode.

    The content is on the disk before the name points to it, so that a power cut leaves one of the two.

    Raises:
        OSError: the folder is missing, full or read-only; the old file is as it was.

    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_text(path: Path, at_most: int) -> str:
    """Return a UTF-8 text file that a person named, whatever it is: a pipe or a device ends at the limit as well.

    Args:
        path: of the file.
        at_most: bytes; no file of its kind is larger, a larger one is some other file.

    Raises:
        OSError: it cannot be read, is larger, or is no UTF-8.

    """
    with path.open("rb") as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise OSError(errno.EFBIG, f"larger than {at_most // 1024:,} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "no UTF-8 text") from None


def sync_folder(folder: Path) -> None:
    """Put the folder's own entries on the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> Path:
    """Make a folder that only the owner enters, and its parents; one that exists is closed to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder
