"""The proof that a stack is gone: what was there, what was removed, what is left, and how it was looked for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.home import StackHome


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that `down` took away."""

    kind: str
    name: str


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is still there."""

    kind: str
    id: str
    where: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What `down` found and did. Times are ISO 8601, UTC."""

    schema: int = 1
    stack: str
    profile: str
    begun_at: str
    ended_at: str
    removed: tuple[Removed, ...]
    leftovers: tuple[Leftover, ...]
    looked: tuple[str, ...]
    """How it was looked for, a sentence each."""
    remarks: tuple[str, ...]


def write(home: StackHome, certificate: Certificate) -> Path:
    """Write the certificate as JSON, with a readable page beside it, into the archive; return the JSON's path."""
    stamp = certificate.ended_at.replace(":", "").replace("+0000", "Z")
    path = files.make_private_folder(home.home.archive) / f"{home.name}-{stamp}.json"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{home.name}-{stamp}-{number}.json")
    files.write(path, msgspec.json.format(msgspec.json.encode(certificate), indent=2))
    files.write(path.with_suffix(".md"), page(certificate))
    return path


def latest(home: StackHome) -> Path | None:
    """Return the newest certificate of a stack of this name."""
    folder = home.home.archive
    mine = [path for path in folder.glob(f"{home.name}-*.json") if _is_of(path, home.name)] if folder.is_dir() else []
    return max(mine, key=lambda path: path.stat().st_mtime_ns, default=None)


def _is_of(path: Path, stack: str) -> bool:
    """Tell whether it certifies this stack, and not one whose name begins alike."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate).stack == stack
    except (OSError, msgspec.MsgspecError):
        return False


def page(certificate: Certificate) -> str:
    """Return the certificate as a page for people."""
    verdict = "Nothing is left." if not certificate.leftovers else f"{len(certificate.leftovers)} things are left."
    removed = [f"- {item.kind}: {item.name}" for item in certificate.removed] or ["- nothing was there"]
    leftovers = [f"- {item.kind} {item.id} ({item.where})" for item in certificate.leftovers] or ["- nothing"]
    looked = [f"- {sentence}" for sentence in certificate.looked]
    remarks = [f"- {sentence}" for sentence in certificate.remarks]
    lines = [
        f"# Teardown of stack `{certificate.stack}`",
        "",
        f"{verdict} Begun {certificate.begun_at}, ended {certificate.ended_at}.",
        f"Profile: {certificate.profile or 'not known'}.",
        "",
        "## Left",
        "",
        *leftovers,
        "",
        "## How it was looked for",
        "",
        *looked,
        "",
        "## Removed",
        "",
        *removed,
        *(["", "## Remarks", ""] if remarks else []),
        *remarks,
    ]
    return "\n".join(lines) + "\n"
