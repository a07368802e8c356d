"""What was begun and what was ended, synced before it happens, so that a killed verb can be resumed or undone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from planner.errors import DeployError

Phase = Literal["begin", "done", "failed"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    at: str
    """ISO 8601, UTC."""
    verb: str
    step: str
    phase: Phase
    detail: str = ""


class Journal:
    """Appends lines; reads them back, and skips what a crash cut off."""

    def __init__(self, path: Path, verb: str) -> None:
        self.path = path
        self.verb = verb

    @contextmanager
    def step(self, step: str, detail: str = "") -> Iterator[None]:
        """Record the beginning of a step before it happens, and how it ended."""
        self._append(step, "begin", detail)
        try:
            yield
        except BaseException as error:
            self._append(step, "failed", f"{type(error).__name__}: {error}"[:300])
            raise
        self._append(step, "done", "")

    def _append(self, step: str, phase: Phase, detail: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = msgspec.json.encode(Entry(at=at, verb=self.verb, step=step, phase=phase, detail=detail)) + b"\n"
        if not self.path.parent.is_dir():
            return  # `down` has removed the folder: its last entries are in the certificate
        try:
            self._write(line)
        except OSError as error:
            raise DeployError(
                f"the journal {self.path} cannot be written: {error.strerror}",
                hint="Free space or mend the folder's permissions, then run the same command again: it resumes.",
                code="state_not_writable",
            ) from error

    def _write(self, line: bytes) -> None:
        with self.path.open("a+b") as file:
            os.fchmod(file.fileno(), 0o600)
            if _cut_off(self.path):
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def read(path: Path) -> tuple[tuple[Entry, ...], int]:
    """Return the entries, and how many lines could not be read (a crash may cut one off)."""
    entries, broken = [], 0
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return (), 0
    for line in lines:
        if not line.strip():
            continue
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.MsgspecError:
            broken += 1
    return tuple(entries), broken


def last_state(path: Path) -> str:
    """Say how the last verb ended: `ready`, `failed`, `interrupted`, or `unknown` without a journal.

    A verb is a step of its own name; one that began and never ended was killed.
    """
    entries, _ = read(path)
    for entry in reversed(entries):
        if entry.step == entry.verb:
            return {"done": "ready", "failed": "failed", "begin": "interrupted"}[entry.phase]
    return "unknown"


def _cut_off(path: Path) -> bool:
    """Tell whether the last line has no end."""
    size = path.stat().st_size
    if size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
