"""The host's side of a transfer: runs there with nothing but Python's own library, as root, for one connection's time.

A bundle grows in a folder beside its place. A file gets its name there when its digest is right, and the folder gets
the bundle's when every file has. Nothing that is there already is sent again: what an interrupted run left, the
beginnings of files among it, and what another bundle on the host has under the same digest.

The first line on stdin says which bundle, and each further one a command, which is answered by a line on stdout:
`begin` with the manifest, `receive` with the bytes of one file behind it, `finish`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 1 << 20
MANIFEST = "manifest.json"


class ProblemError(Exception):
    """Something that the other side must be told."""


def say(**values: object) -> None:
    """Tell the other side."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file; nothing when there is none."""
    made = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                made.update(block)
    except FileNotFoundError:
        return ""
    return made.hexdigest()


def entries_of(manifest: Path) -> dict[str, dict[str, Any]]:
    """Return path -> entry of a manifest."""
    return {entry["path"]: entry for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]}


def part_of(target: Path) -> Path:
    """Return where a file is while it is not whole."""
    return target.with_name(f"{target.name}.part")


class Bundle:
    """A bundle on its way to its place."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.place = home / name
        self.growing = home / f".{name}.growing"

    def begin(self, manifest: str) -> tuple[list[str], dict[str, int]]:
        """Look at what is there; return which files are right, and how many bytes there are of others."""
        self.growing.mkdir(mode=0o755, exist_ok=True)
        (self.growing / MANIFEST).write_text(manifest, encoding="utf-8")
        others = self._others()
        right, begun = [], {}
        for path, entry in entries_of(self.growing / MANIFEST).items():
            target = self.growing / path
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if digest(target) == entry["sha256"] or self._linked(others.get(entry["sha256"]), target, entry):
                right.append(path)
            elif part_of(target).exists():
                begun[path] = min(part_of(target).stat().st_size, entry["size"])
        return right, begun

    def _others(self) -> dict[str, Path]:
        """Return digest -> file, of every bundle that is whole here."""
        found = {}
        for folder in sorted(self.home.iterdir()):
            if folder.name.startswith(".") or folder.is_symlink() or not (folder / MANIFEST).is_file():
                continue
            for path, entry in entries_of(folder / MANIFEST).items():
                found[entry["sha256"]] = folder / path
        return found

    @staticmethod
    def _linked(source: Path | None, target: Path, entry: dict[str, Any]) -> bool:
        """Take a file of another bundle, if it still is what it was."""
        if source is None or digest(source) != entry["sha256"]:
            return False
        target.unlink(missing_ok=True)
        os.link(source, target)
        return True

    def receive(self, asked: dict[str, Any], entry: dict[str, Any], stream: BinaryIO) -> None:
        """Take one file, from where it was left, and give it its name if it is right."""
        target = self.growing / entry["path"]
        part, made = part_of(target), hashlib.sha256()
        part.touch()
        with part.open("r+b", buffering=0) as file:
            file.truncate(asked["offset"])
            while block := file.read(BLOCK):
                made.update(block)
            left = entry["size"] - asked["offset"]
            buffer = memoryview(bytearray(BLOCK))
            while left:
                count = stream.readinto(buffer[: min(BLOCK, left)])  # type: ignore[attr-defined]  # of a buffered one
                if not count:
                    raise ProblemError("cut")
                made.update(buffer[:count])
                written = 0
                while written < count:
                    written += file.write(buffer[written:count])
                left -= count
        if made.hexdigest() != entry["sha256"]:
            part.unlink()
            raise ProblemError("digest")
        part.replace(target)

    def finish(self) -> None:
        """Give the bundle its place; what is written is on the disk by then."""
        for path, entry in entries_of(self.growing / MANIFEST).items():
            target = self.growing / path
            if not target.is_file() or target.stat().st_size != entry["size"]:
                raise ProblemError("missing")
        self._sync()
        self.growing.rename(self.place)
        self._sync()

    def _sync(self) -> None:
        """Put on the disk what was written to the bundles' file system, and to no other."""
        subprocess.run(("sync", "--file-system", str(self.home)), check=True)  # noqa: S603, S607 - the system's own


def begin(bundle: Bundle, manifest: str) -> None:
    """Tell what is there, and how many bytes have room."""
    whole = (bundle.place / MANIFEST).is_file()
    right, begun = ([], {}) if whole else bundle.begin(manifest)
    room = os.statvfs(bundle.home)
    say(whole=whole, right=right, begun=begun, free=room.f_bavail * room.f_frsize)


def run(stream: BinaryIO) -> None:
    """Do what is asked until nobody asks any more, and tell what comes of each."""
    os.umask(0o022)
    which = json.loads(stream.readline())
    home = Path(which["home"])
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    bundle, entries = Bundle(home, which["bundle"]), dict[str, dict[str, Any]]()
    while line := stream.readline():
        asked = json.loads(line)
        if asked["do"] == "begin":
            begin(bundle, asked["manifest"])
        elif asked["do"] == "receive":
            entries = entries or entries_of(bundle.growing / MANIFEST)
            bundle.receive(asked, entries[asked["path"]], stream)
            say()
        else:
            bundle.finish()
            say()


def main() -> int:
    """Serve one connection; a problem is told in a line of its own, and ends it."""
    try:
        run(sys.stdin.buffer)
    except ProblemError as problem:
        say(problem=str(problem))
        return 1
    except OSError as error:
        kind = "full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "system"
        say(problem=kind, words=f"{error.filename or ''} {error.strerror}".strip())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
