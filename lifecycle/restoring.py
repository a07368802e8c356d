"""A stack from a backup, in the place of one that may be there and run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle.archive import Manifest
from lifecycle.backup import restore
from lifecycle.home import StackHome
from lifecycle.lock import hold
from lifecycle.marked import ProcessInfo, stop_marked
from lifecycle.sealing import Identity, Passphrase


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was in the backup, and which processes of the stack in its place were ended."""

    manifest: Manifest
    ended: tuple[ProcessInfo, ...]


def restore_stack(home: StackHome, file: Path, *, key: Passphrase | Identity, replace: bool) -> Restored:
    """Restore a stack; with `replace`, one of its name gives way: its files are replaced, its processes ended.

    Raises:
        UsageError: the file is no backup, the key does not open it, or a stack is in the way. Nothing has changed.
        DeployError: the file is damaged, or the disk is full. Nothing has changed.
        LockedError: another verb works on the stack.

    """
    with hold(home, "restore"):
        manifest = restore(file, home.folder, key=key, replace=replace)
        # They run on what is gone by now. Not before it is known that the backup opens: a wrong key ends no service.
        return Restored(manifest=manifest, ended=stop_marked(home.layout))
