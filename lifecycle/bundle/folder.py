"""What is in a bundle's folder: plain files only, and of weights only what cannot run code when it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from planner.bundle import MANIFEST, MAX_MANIFEST_BYTES, BundleError, Kind, path_fault

PICKLES = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
"""Suffixes of files that Python unpickles: reading one runs whatever code is in it."""
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""First bytes of PyTorch's archives, and of pickles from protocol 2 on."""
_LONGEST_HEADER = 100 * 10**6
"""Bytes of a safetensors header, as the format's own reader limits it."""


def files_of(folder: Path) -> dict[str, os.stat_result]:
    """Return the bundle's files by their path below it, without the manifest.

    Raises:
        BundleError: there is no such folder, or in it is a symbolic link, something that is no plain file, or a name
            that may not be in a bundle.

    """
    if not folder.is_dir() or folder.is_symlink():
        raise BundleError(f"{folder} is no folder", hint="Name the folder that holds the bundle's files.")
    return {path: found for path, found in sorted(_walk(folder, "")) if path != MANIFEST}


def _walk(folder: Path, below: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path, found = f"{below}{entry.name}", entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                raise BundleError(
                    f"{path!r} is a symbolic link",
                    hint="A bundle holds the files themselves. Weights out of Hugging Face's cache are links: "
                    "download them with `--local-dir`, or copy them with `cp -rL`.",
                )
            if path != MANIFEST and (fault := path_fault(path)):
                raise BundleError(f"{path!r} may not be in a bundle: {fault}", hint="Rename or remove it.")
            if stat.S_ISDIR(found.st_mode):
                yield from _walk(Path(entry.path), f"{path}/")
            elif stat.S_ISREG(found.st_mode):
                yield path, found
            else:
                raise BundleError(f"{path!r} is neither a file nor a folder", hint="Remove it.")


def read_manifest(folder: Path) -> bytes:
    """Return the manifest's bytes.

    Raises:
        BundleError: there is none.

    """
    try:
        descriptor = os.open(folder / MANIFEST, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"{folder / MANIFEST} cannot be read: {error.strerror}",
            hint="`deploy bundle seal DIR` writes the manifest of a folder.",
            code="no_manifest",
        ) from None


def check_weights(folder: Path, path: str, kind: Kind) -> None:
    """Refuse a file among weights that runs code when it is read, whatever its name says.

    Raises:
        BundleError: it does, or it calls itself safetensors and is not.

    """
    if kind != "weights":
        return
    with (folder / path).open("rb") as file:
        start = file.read(9)
    if path.lower().endswith(".safetensors"):
        header = int.from_bytes(start[:8], "little")
        if len(start) < 9 or not 2 <= header <= _LONGEST_HEADER or start[8:9] != b"{":
            raise BundleError(
                f"{path!r} is no safetensors file",
                hint="It may be a pointer of Git LFS, or cut short: download it again.",
                code="weights_refused",
            )
    elif path.lower().endswith(PICKLES) or start.startswith((_ZIP, _PICKLE)):
        raise BundleError(
            f"{path!r} is a pickle: reading it would run whatever code is in it",
            hint="Use weights in safetensors; where a repository has both, leave the others out.",
            code="weights_refused",
        )
