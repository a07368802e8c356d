"""Digests of many files at once; what was digested before an interruption is not digested again."""

from __future__ import annotations

import hashlib
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.bundle.meter import Meter, in_parallel

BLOCK = 4 * 2**20
"""Bytes read at once."""


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds.

    Attributes:
        size: bytes.
        sha256: of the whole, in hexadecimal.
        parts: SHA-256 of each part in base64, as S3 has them; one for a file that is no longer than a part.

    """

    size: int
    sha256: str
    parts: tuple[str, ...]


class _Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A digest, and what the file was like when it was made."""

    file: str
    state: tuple[int, ...]
    part_bytes: int
    digest: Digest


class Notes:
    """Digests made so far, on disk: for whoever is interrupted.

    A note counts only while the file's size, inode and times of change are what they were, and only until the work that
    it belongs to has ended: a finished verification never rests on an older one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._notes = {(note.file, note.part_bytes): note for note in self._read()}

    def _read(self) -> Iterable[_Noted]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield msgspec.json.decode(line, type=_Noted)
            except msgspec.MsgspecError:
                return  # cut short by the interruption, or of another version

    def known(self, path: Path, part_bytes: int) -> Digest | None:
        """Return the digest of a file that has not changed since; None where there is none."""
        note = self._notes.get((str(path), part_bytes))
        return note.digest if note and note.state == _state(path.lstat()) else None

    def add(self, path: Path, before: os.stat_result, part_bytes: int, digest: Digest) -> None:
        """Note a digest, unless the file changed while it was made."""
        if _state(before) != _state(path.lstat()):
            return
        note = _Noted(file=str(path), state=_state(before), part_bytes=part_bytes, digest=digest)
        with self._lock:
            files.make_private_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, files.PRIVATE)
            with os.fdopen(descriptor, "ab") as sink:
                sink.write(msgspec.json.encode(note) + b"\n")

    def forget(self) -> None:
        """Drop all notes: the work is done."""
        self._path.unlink(missing_ok=True)


def _state(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


def digest(path: Path, part_bytes: int, advance: Callable[[int], None]) -> Digest:
    """Read a file once and return its digest, whole and by parts.

    Args:
        path: of a plain file; a symbolic link is refused by the system.
        part_bytes: length of a part; a file that is no longer is digested once, for both.
        advance: told how many bytes were read.

    """
    whole, part, size, parts = hashlib.sha256(), hashlib.sha256(), 0, []
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0) as file:
        single = os.fstat(file.fileno()).st_size <= part_bytes
        while block := file.read(BLOCK if single else min(BLOCK, part_bytes - size % part_bytes)):
            whole.update(block)
            size += len(block)
            advance(len(block))
            if not single:
                part.update(block)
            if not single and size % part_bytes == 0:
                parts.append(_base64(part))
                part = hashlib.sha256()
    if single:
        parts.append(_base64(whole))
    elif size % part_bytes:
        parts.append(_base64(part))
    return Digest(size=size, sha256=whole.hexdigest(), parts=tuple(parts))


def _base64(made: hashlib._Hash) -> str:
    return b64encode(made.digest()).decode()


def digest_all(
    paths: Iterable[Path], notes: Notes, part_bytes: Callable[[int], int], meter: Meter
) -> dict[Path, Digest]:
    """Return the digests of many files, read by as many threads as there are processors.

    Args:
        paths: of plain files that exist.
        notes: where digests are kept in case this is interrupted.
        part_bytes: length of a part, by a file's size.
        meter: told how many bytes are done.

    """

    def one(path: Path) -> tuple[Path, Digest]:
        before = path.lstat()
        length = part_bytes(before.st_size)
        if found := notes.known(path, length):
            meter.advance(found.size)
            return path, found
        made = digest(path, length, meter.advance)
        notes.add(path, before, length, made)
        return path, made

    # The largest first, so that none of them is left for the end; hashing lets go of the interpreter's lock.
    ordered = sorted(paths, key=lambda path: -path.lstat().st_size)
    return dict(in_parallel(one, ordered, os.cpu_count() or 1, meter))
