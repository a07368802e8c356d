"""The folder of evidence: written whole and signed last, and compared byte by byte."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.evidence.bundle import BILL_NAME, MANIFEST_NAME
from lifecycle.evidence.envelope import NotSignedError, Signed, seal, unseal
from lifecycle.evidence.gather import Looked
from lifecycle.evidence.guard import refuse_secrets, secrets_in
from lifecycle.evidence.keys import home_key, key_id, key_of_home, public_pem, read_private, read_public
from lifecycle.evidence.make import BILL, PAGE, PICTURE, PLAN, RECORD, SARIF, SCHEMA, evidence_of, files_of, is_private
from lifecycle.evidence.records import Evidence
from lifecycle.home import StackHome
from planner.errors import UsageError
from policies.run import refusals

SIGNATURE, SIGNER = "signature.dsse.json", "signer.pem"
NAMES = frozenset({RECORD, SCHEMA, SARIF, PAGE, PICTURE, PLAN, BILL, MANIFEST_NAME, BILL_NAME, SIGNER, SIGNATURE})
"""Files that a folder of evidence may hold; nothing else is replaced or deleted."""
MAX_ENVELOPE = 1024 * 1024
"""Bytes. No signature over a handful of files is longer."""
EPOCH = "SOURCE_DATE_EPOCH"
"""Environment variable with the time to be stated, in Unix seconds (reproducible-builds.org)."""


class EvidenceReport(msgspec.Struct, frozen=True, kw_only=True):
    """`evidence`: what was written, and what came of the checking.

    Attributes:
        ok: as the record says.
        refused: mandatory rules are violated, broken, or undecided of what exists.
        private: the exposure proof holds, and no check of the running stack failed.
        key_id: of the key that signed; `public_key` is where its public half lies.

    """

    ok: bool
    refused: bool
    private: bool
    folder: str
    files: tuple[str, ...]
    made_at: str
    counts: dict[str, int]
    key_id: str
    public_key: str


class EvidenceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`evidence verify`.

    Attributes:
        ok: the signature is good and every file is the one that was signed.
        trusted: the key was given by whoever asks. Where it is false, the folder says itself who signed it.
        signature: `good`, or what is wrong.
        key_id: fingerprint of the key that was tried: SHA-256 of its DER.
        missing: files that were signed and are not there.
        changed: files that are not what was signed.
        extra: what was not signed.

    """

    ok: bool
    trusted: bool
    folder: str
    signature: str
    key_id: str
    stack: str
    made_at: str
    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]


def moment(asked: str) -> datetime:
    """Return the time that evidence carries, to the second: as asked, of SOURCE_DATE_EPOCH, or now.

    Raises:
        UsageError: it is no time.

    """
    said = os.environ.get(EPOCH, "")
    try:
        if asked:
            found = datetime.fromisoformat(asked)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        else:
            found = datetime.fromtimestamp(int(said), UTC) if said else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{asked or f'{EPOCH}={said}'} is no time",
            hint="--at takes 2026-12-01T18:00 in UTC, or with its zone; SOURCE_DATE_EPOCH takes Unix seconds.",
            code="bad_time",
        ) from None
    return found.replace(microsecond=0)


def write_evidence(
    looked: Looked, home: StackHome, out: Path, made_at: datetime, key_file: Path | None = None
) -> tuple[EvidenceReport, Evidence]:
    """Write a folder of evidence, in place of an earlier one that lies there.

    Args:
        looked: what was looked at.
        home: of the stack; its secrets are looked for in what is to be written.
        out: the folder.
        made_at: the time that it carries.
        key_file: of the key that signs; the home's own when None.

    Raises:
        UsageError: the folder holds something else, or the key cannot be used.
        DeployError: a secret stands in what would be written.

    """
    _check_place(out)
    key = read_private(key_file) if key_file else key_of_home(home.home)
    evidence = evidence_of(looked, made_at, home.home)
    contents = files_of(evidence, looked)
    refuse_secrets(contents, secrets_in(Path(home.layout.secrets), home_key(home.home).parent))
    contents |= {SIGNER: public_pem(key.public_key())}
    _write(out, contents, seal(contents, _said(evidence), key))
    beside = home_key(home.home).with_name("public-key.pem")
    report = EvidenceReport(
        ok=evidence.ok,
        refused=bool(refusals(evidence.findings, settled=looked.live is not None)),
        private=is_private(evidence.exposure, evidence.live),
        folder=str(out),
        files=(*sorted(contents), SIGNATURE),
        made_at=evidence.made_at,
        counts=evidence.counts,
        key_id=key_id(key.public_key()),
        public_key=str(out / SIGNER if key_file else beside),
    )
    return report, evidence


def check_evidence(folder: Path, public_key: Path | None = None) -> EvidenceCheck:
    """Compare a folder with its signature; nothing is changed, and nothing in it is run.

    Args:
        folder: of evidence.
        public_key: of whoever ought to have signed; the one that lies in the folder when None, which proves no more
            than that nobody changed it without signing anew.

    Raises:
        UsageError: it is no folder of evidence, or the key cannot be used.

    """
    key = read_public(public_key or folder / SIGNER) if _is_evidence(folder) else None
    if key is None:
        raise UsageError(
            f"{folder} is no folder of evidence: it has no {SIGNATURE}",
            hint="`deploy evidence --profile NAME --out DIR` writes one.",
            code="no_evidence",
        )
    problem, signed = "good", Signed(files={}, said={})
    try:
        signed = unseal(_envelope(folder / SIGNATURE), key)
    except NotSignedError as error:
        problem = str(error)
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")} if signed.files else {}
    there.pop(SIGNATURE, None)
    changed = [name for name, digest in signed.files.items() if name in there and _digest(there[name]) != digest]
    missing, extra = signed.files.keys() - there.keys(), there.keys() - signed.files.keys()
    return EvidenceCheck(
        ok=problem == "good" and not (changed or missing or extra),
        trusted=public_key is not None and problem == "good",
        folder=str(folder),
        signature=problem,
        key_id=key_id(key),
        stack=str(signed.said.get("stack", "")),
        made_at=str(signed.said.get("made_at", "")),
        files=len(signed.files),
        missing=tuple(sorted(missing)),
        changed=tuple(sorted(changed)),
        extra=tuple(sorted(extra)),
    )


def _said(evidence: Evidence) -> dict[str, str | bool]:
    subject = evidence.subject
    return {
        "made_at": evidence.made_at,
        "ok": evidence.ok,
        "stack": subject.stack,
        "profile": subject.profile,
        "target": subject.target,
        "state": subject.state,
        "tool": f"{evidence.tool.name} {evidence.tool.version}",
    }


def _check_place(out: Path) -> None:
    """Refuse to write among files of another kind.

    Raises:
        UsageError: it is a file, or a folder with something else in it.

    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is no folder", hint="Name a new one.", code="bad_place")
    others = sorted({path.name for path in out.iterdir()} - NAMES) if out.is_dir() else []
    if others:
        raise UsageError(
            f"{out} holds something else than evidence: {others[0]}",
            hint="Name a new folder, or an empty one.",
            code="not_empty",
        )


def _write(out: Path, contents: Mapping[str, bytes], signature: bytes) -> None:
    """Write the files, the signature last: what was cut short carries none."""
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (SIGNATURE, *sorted(NAMES)):
        (out / name).unlink(missing_ok=True)
    for name, content in contents.items():
        files.write(out / name, content)
    files.write(out / SIGNATURE, signature)


def _is_evidence(folder: Path) -> bool:
    return (folder / SIGNATURE).is_file() and not (folder / SIGNATURE).is_symlink()


def _envelope(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_ENVELOPE)


def _digest(path: Path) -> str:
    """Return the digest of a plain file; of anything else none that could fit."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
