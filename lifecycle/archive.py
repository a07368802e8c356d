"""The inside of a backup: a tar with a manifest first, read back as if an enemy had written it.

Whoever knows a recipient's public key can make a file that opens, so that nothing in it is believed: names, types and
sizes are checked, and nothing is written before all of it has been read and compared with the manifest.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from planner.errors import DeployError

SCHEMA = 1
"""Raised whenever an older reader would misread a newer file."""

MANIFEST = "manifest.json"
FOLDER = "stack"
"""Below it stand the stack's own files."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file in a backup; `sha256` is in hexadecimal."""

    sha256: str
    executable: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup says of itself.

    Attributes:
        schema: version of this record.
        stack: name of the stack.
        tool_version: version of the toolkit that made it.
        created_at: when it was made.
        files: path in the stack's folder -> what is there.

    """

    schema: int = SCHEMA
    stack: str
    tool_version: str
    created_at: datetime
    files: dict[str, Entry]


def pack(manifest: Manifest, contents: Mapping[str, bytes]) -> bytes:
    """Return the tar of a manifest and of the files that it names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2), manifest.created_at)
        for name in manifest.files:
            _add(archive, f"{FOLDER}/{name}", contents[name], manifest.created_at)
    return buffer.getvalue()


def unpack(packed: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """Return manifest and files, once every name, type and checksum is as it must be.

    Raises:
        DeployError: something is not, or the manifest is of a newer schema.

    """
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            manifest = _manifest(archive)
            contents = _contents(archive)
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise damaged(str(error)) from error
    odd = contents.keys() ^ manifest.files.keys()
    if odd:
        raise damaged(f"manifest and files do not agree about {min(odd)!r}")
    for name, entry in manifest.files.items():
        if sha256(contents[name]) != entry.sha256:
            raise damaged(f"the checksum of {name!r} is wrong")
    return manifest, contents


def sha256(content: bytes) -> str:
    """Return a checksum as manifests carry it."""
    return hashlib.sha256(content).hexdigest()


def damaged(why: str) -> DeployError:
    """Return the error about a backup that cannot be trusted."""
    return DeployError(
        f"the backup is damaged or was tampered with, and nothing was restored: {why}",
        hint="Use another copy of it.",
        code="backup_damaged",
    )


def _add(archive: tarfile.TarFile, name: str, content: bytes, made: datetime) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    member.mtime = int(made.timestamp())
    archive.addfile(member, io.BytesIO(content))


def _manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST:
        raise damaged("it does not begin with its manifest")
    text = _content(archive, member)
    try:
        schema = msgspec.json.decode(text, type=dict[str, Any]).get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise DeployError(
                f"the backup has format {schema}, and this version reads formats up to {SCHEMA}",
                hint="Restore it with the version that made it, or with a newer one.",
                code="backup_newer",
            )
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise damaged(f"its manifest cannot be read: {error}") from error


def _contents(archive: tarfile.TarFile) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    while (member := archive.next()) is not None:
        name = _inside(member.name)
        if name in contents:
            raise damaged(f"{member.name!r} is there twice")
        contents[name] = _content(archive, member)
    return contents


def _inside(name: str) -> str:
    """Return a member's path in the stack's folder; refuse one that leads out of it."""
    folder, _, rest = name.partition("/")
    path = PurePosixPath(rest)
    plain = path.parts and path.as_posix() == rest and not path.is_absolute() and ".." not in path.parts
    if folder != FOLDER or not plain or "\\" in rest or not rest.isprintable():
        raise damaged(f"{name!r} leads out of the stack's folder")
    return rest


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return what a plain file holds; a link, a device or a file with holes is refused."""
    reader = archive.extractfile(member) if member.type == tarfile.REGTYPE and not member.issparse() else None
    if reader is None:
        raise damaged(f"{member.name!r} is not a plain file")
    content = reader.read()
    if len(content) != member.size:
        raise damaged(f"{member.name!r} is cut off")
    return content
