"""One verb at a time per stack, and a message that names who holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from filelock import FileLock, Timeout

from lifecycle import files
from lifecycle.home import StackHome
from planner.errors import LockedError


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock."""

    pid: int
    verb: str
    since: str
    """ISO 8601, UTC."""


@contextmanager
def hold(stack: StackHome, verb: str) -> Iterator[None]:
    """Hold the stack's lock while a verb runs.

    The kernel frees the lock when its holder dies, however it dies: a note left behind by a dead holder is only a note.

    Raises:
        LockedError: another verb holds it.

    """
    files.make_private_folder(stack.lock.parent)
    lock = FileLock(stack.lock, timeout=0, thread_local=False)
    note = stack.lock.with_suffix(".json")
    try:
        lock.acquire()
    except Timeout:
        raise _locked(stack) from None
    try:
        holder = Holder(pid=os.getpid(), verb=verb, since=datetime.now(UTC).isoformat(timespec="seconds"))
        files.write(note, msgspec.json.encode(holder))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _locked(stack: StackHome) -> LockedError:
    try:
        holder = msgspec.json.decode(stack.lock.with_suffix(".json").read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        who = "another process"
    else:
        who = f"`deploy {holder.verb}` (pid {holder.pid}, since {holder.since})"
    return LockedError(
        f"stack {stack.name!r} is locked by {who}",
        hint="Wait for it to end, or stop it with Ctrl-C in its terminal; then run this command again.",
    )
