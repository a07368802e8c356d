"""What exists: one file, written before and after every side effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from planner.errors import DeployError

SCHEMA = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource that exists. Components have no id."""

    urn: str
    type: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    parent: str
    dependencies: tuple[str, ...]


class Pending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A side effect that was begun; still there after a crash, when nobody knows whether it took place."""

    op: Literal["create", "update", "delete"]
    urn: str
    type: str
    name: str
    id: str
    """Empty for a creation: the account knows the id, we do not."""
    inputs: dict[str, Any]
    parent: str = ""
    dependencies: tuple[str, ...] = ()


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `doomed`: replaced resources that are still to be deleted."""

    schema: int = SCHEMA
    resources: dict[str, Record] = {}
    doomed: list[Record] = []
    pending: dict[str, Pending] = {}
    outputs: dict[str, Any] = {}


class StateCorruptError(DeployError):
    """The state file cannot be read."""

    code = "state_corrupt"


class StateFile:
    """The state on disk. Safe to use from several threads."""

    def __init__(self, path: Path, write: Callable[[Path, bytes], None]) -> None:
        """Name the file, and what replaces it in one step, synced: a power cut must leave the old or the new."""
        self.path = path
        self._write = write
        self._lock = threading.RLock()
        self._state: State | None = None

    @property
    def state(self) -> State:
        """Return the state, read once.

        Raises:
            StateCorruptError: it cannot be read.

        """
        with self._lock:
            if self._state is None:
                self._state = self._read()
            return self._state

    @contextmanager
    def changing(self) -> Iterator[State]:
        """Give the state to change it; it is on disk when the block has ended."""
        with self._lock:
            yield self.state
            self._save()

    def records(self) -> Mapping[str, Record]:
        """Return a copy of what exists, by URN."""
        with self._lock:
            return dict(self.state.resources)

    def _read(self) -> State:
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (OSError, msgspec.MsgspecError) as error:
            raise StateCorruptError(
                f"the state {self.path} cannot be read: {error}",
                hint="`deploy down` finds what exists by its tags and takes it away.",
            ) from None
        if state.schema != SCHEMA:
            raise StateCorruptError(
                f"the state {self.path} has schema {state.schema}; this version reads {SCHEMA}",
                hint="Use the version of the toolkit that made the stack.",
            )
        return state

    def _save(self) -> None:
        try:
            self._write(self.path, msgspec.json.encode(self.state))
        except OSError as error:
            raise DeployError(
                f"the state {self.path} cannot be written: {error.strerror}",
                hint="Free space or mend the folder's permissions, then run the same command again: it resumes.",
                code="state_not_writable",
            ) from error
