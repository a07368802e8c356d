"""What a bundle is: a folder, and a manifest that names every file of it by its content.

The SHA-256 of the manifest's own bytes is the bundle's id: an id names exact content. In a bucket, files lie under
their own digests, so that what two bundles share is there once, and the manifest lies under its id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from planner.errors import DeployError

MANIFEST = "manifest.json"
"""The manifest's name in a bundle's folder."""
MAX_MANIFEST_BYTES = 16 * 2**20
"""No manifest is larger: at 200 bytes a file that is 80,000 files."""
MAX_PATH = 512
"""Characters of a path."""

Kind = Literal["weights", "wheel", "image", "program", "package", "data"]
"""What a file is for; decides what it may be (weights: safetensors, no pickles) and who reads it."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]

_PART = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@=,~() -]*\Z")
"""A name in a path: nothing that a shell, a URL or a terminal would take for something else."""


class BundleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a bundle."""

    path: Annotated[str, Meta(max_length=MAX_PATH)]
    """Below the bundle's folder, with `/` between names."""
    size: Annotated[int, Meta(ge=0)]
    """Bytes."""
    sha256: Sha256
    kind: Kind
    licence: str
    """As its owner names it; empty where nobody said."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every file of a bundle, sorted by path."""

    schema: Literal[1] = 1
    """Raised whenever a reader of an older manifest would misread a newer one."""
    files: tuple[BundleFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class BundleError(DeployError):
    """A bundle is not what its manifest says, or may not be one."""

    code = "bundle_wrong"


def path_fault(path: str) -> str:
    """Say why a path may not be in a bundle; empty if it may."""
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "it leads out of the bundle, or is written in more than one way"
    if path == MANIFEST:
        return "the manifest does not name itself"
    if len(path) > MAX_PATH or not all(_PART.match(part) for part in parts):
        return f"a name holds characters other than letters, digits and _.+@=,~()- , or it is longer than {MAX_PATH}"
    return ""


def encode(files: Iterable[BundleFile]) -> bytes:
    """Return the manifest of these files: the same bytes for the same files.

    Raises:
        BundleError: a path may not be in a bundle.

    """
    manifest = Manifest(files=tuple(sorted(files, key=lambda file: file.path)))
    _check(manifest)
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(raw: bytes, what: str) -> Manifest:
    """Read a manifest.

    Args:
        raw: its bytes.
        what: its name, for messages.

    Raises:
        BundleError: it is not one, or names a path that may not be in a bundle.

    """
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(
            f"{what} is no manifest of a bundle: {error}",
            hint="`deploy bundle seal DIR` writes a folder's manifest; this version reads schema 1.",
            code="manifest_unreadable",
        ) from None
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Refuse paths that lead elsewhere, that are there twice, or that stand below a file."""
    paths = [file.path for file in manifest.files]
    for path in paths:
        if fault := path_fault(path):
            raise BundleError(f"{path!r} may not be in a bundle: {fault}", hint="Rename or remove the file.")
    known = set(paths)
    if len(known) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise BundleError(f"{twice!r} is in the manifest twice", hint="`deploy bundle seal DIR` writes it anew.")
    for path in paths:
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if file := next(iter(above & known), ""):
            raise BundleError(f"{path!r} stands below {file!r}, which is a file", hint="Rename one of them.")


def bundle_id(manifest: bytes) -> str:
    """Return the id of the bundle that these bytes are the manifest of."""
    return hashlib.sha256(manifest).hexdigest()


def manifest_key(bundle: str) -> str:
    """Return where a bundle's manifest lies in a bucket."""
    return f"bundles/{bundle}/{MANIFEST}"


def object_key(sha256: str) -> str:
    """Return where a file lies in a bucket, by its content."""
    return f"objects/{sha256}"


def bucket_name(stack: str, account: str) -> str:
    """Return the name of a stack's bucket; the account's number makes it this customer's, for names are the world's."""
    return f"cloister-{stack}-{account}"


def key_alias(stack: str) -> str:
    """Return the alias of a stack's encryption key."""
    return f"alias/cloister-{stack}"


def kind_of(path: str) -> Kind:
    """Return what a file is for, by the folder that it lies in."""
    return _KINDS.get(path.split("/", maxsplit=1)[0], "data")


def licence_of(path: str, licences: Mapping[str, str]) -> str:
    """Return the licence of the longest folder or path given that a file lies in; empty for none."""
    over = [prefix for prefix in licences if path == prefix or path.startswith(f"{prefix}/")]
    return licences[max(over, key=len)] if over else ""


_KINDS: dict[str, Kind] = {
    "weights": "weights",
    "wheels": "wheel",
    "images": "image",
    "programs": "program",
    "packages": "package",
}
"""Folder at the top of a bundle -> what is in it."""
