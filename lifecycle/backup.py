"""Everything of a stack that cannot be made again, in one encrypted file; and a stack from such a file.

Left out is what can be made again: rendered configuration, logs, sockets, locks; and the data of services. A company's
own certificate and key, given in the profile, stay with the company. The caller holds the stack's lock.
"""

from __future__ import annotations

import secrets
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lifecycle import files
from lifecycle.archive import Entry, Manifest, damaged, pack, sha256, unpack
from lifecycle.sealing import Identity, Passphrase, Recipients, seal, unseal
from planner.errors import DeployError, UsageError
from planner.layout import Layout


def backup(layout: Layout, out: Path, *, lock: Passphrase | Recipients, tool_version: str, now: datetime) -> Manifest:
    """Write a backup (0600) and return what is in it. Either the whole file is there afterwards, or none.

    Args:
        layout: the stack's folders.
        out: the file to make; it must not exist, and not lie in the stack's folder.
        lock: who can open it.
        tool_version: version of the toolkit, for whoever restores it.
        now: the time, with its zone.

    Raises:
        UsageError: the file cannot be made there, or the passphrase or a recipient cannot be used.
        DeployError: the stack cannot be read, or the disk is full.

    """
    stack = Path(layout.stack)
    _check_target(stack, out)
    try:
        contents = {path.relative_to(stack).as_posix(): path.read_bytes() for path in _worth_keeping(layout)}
        entries = {name: _entry(stack / name, content) for name, content in contents.items()}
    except OSError as error:
        raise DeployError(f"the stack cannot be read: {error}", hint="Check who owns its folder.") from error
    manifest = Manifest(stack=stack.name, tool_version=tool_version, created_at=now, files=entries)
    sealed = seal(pack(manifest, contents), lock)
    try:
        files.write(out, sealed, files.PRIVATE)
    except OSError as error:
        raise DeployError(f"the backup cannot be written: {error}", hint="Choose another place.") from error
    return manifest


def restore(file: Path, into: Path, *, key: Passphrase | Identity, replace: bool = False) -> Manifest:
    """Make a stack's folder from a backup, and return what was in it. All of it is there afterwards, or nothing.

    Files get mode 0600 (0700 if they were executable) and folders 0700, whatever the backup says.

    Args:
        file: the backup.
        into: the stack's folder, called as the stack is.
        key: what opens it.
        replace: a stack that is there already gives way.

    Raises:
        UsageError: the file is no backup, the key does not open it, it is of another stack, or one is in the way.
        DeployError: the file is damaged, was tampered with, or was made by a newer version; or the disk is full.

    """
    _check_place(into, replace=replace)
    try:
        sealed = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the backup cannot be read: {error}", hint="Check its path.", code="no_backup") from error
    manifest, contents = unpack(unseal(sealed, key))
    if manifest.stack != into.name:
        raise UsageError(
            f"this is a backup of stack {manifest.stack!r}, not of {into.name!r}",
            hint=f"Plan and tokens name the stack: restore it with --stack {manifest.stack}.",
            code="another_stack",
        )
    staging = into.with_name(f".{into.name}.restoring.{secrets.token_hex(8)}")
    try:
        _write_all(staging, manifest, contents)
        _move_into_place(staging, into)
    except (FileExistsError, NotADirectoryError) as error:
        raise damaged(f"a file stands where a folder should be: {error}") from error
    except OSError as error:
        hint = "Check the space, and who owns the folder above it."
        raise DeployError(f"the stack cannot be written: {error}", hint=hint) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _check_target(stack: Path, out: Path) -> None:
    if not stack.is_dir():
        raise UsageError(f"there is no stack in {stack}", hint="`deploy list` shows the stacks.", code="no_stack")
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists", hint="Choose another name: no backup is overwritten.", code="file_exists")
    if out.resolve().is_relative_to(stack.resolve()):
        raise UsageError(
            f"{out} lies in the stack's own folder, and would vanish with it",
            hint="Choose a place outside, best on another machine.",
            code="bad_place",
        )


def _check_place(into: Path, *, replace: bool) -> None:
    if into.is_symlink() or (into.exists() and not into.is_dir()):
        raise UsageError(f"{into} is not a folder", hint="Move it away, then try again.", code="bad_place")
    if not replace and into.exists() and any(into.iterdir()):
        raise UsageError(
            f"there is a stack already: {into}",
            hint="Take it down first (`deploy down`), or let it give way: `deploy restore --replace`.",
            code="stack_exists",
        )


def _worth_keeping(layout: Layout) -> Iterator[Path]:
    """Yield the regular files of a stack that cannot be made again, in order of name."""
    left_out = {Path(folder) for folder in (layout.config, layout.data, layout.logs, layout.run)}
    for path in sorted(Path(layout.stack).rglob("*")):
        is_kept = stat.S_ISREG(path.lstat().st_mode) and path.suffix != ".lock"
        if is_kept and left_out.isdisjoint(path.parents):
            yield path


def _entry(path: Path, content: bytes) -> Entry:
    return Entry(sha256=sha256(content), executable=bool(path.stat().st_mode & stat.S_IXUSR))


def _write_all(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    files.make_private_folder(folder)
    for name, content in contents.items():
        path = folder / name
        for parent in reversed(path.relative_to(folder).parents):
            files.make_private_folder(folder / parent)
        files.write(path, content, 0o700 if manifest.files[name].executable else files.PRIVATE)


def _move_into_place(staging: Path, into: Path) -> None:
    """Swap folders by renaming, so that there is never half a stack; the old one comes back if the new one cannot."""
    old = into.with_name(f".{into.name}.replaced.{secrets.token_hex(8)}")
    if into.exists():
        into.rename(old)
    try:
        staging.rename(into)
    except OSError:
        if old.exists():
            old.rename(into)
        raise
    files.sync_folder(into.parent)
    shutil.rmtree(old, ignore_errors=True)
