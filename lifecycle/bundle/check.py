"""`bundle seal` and `bundle verify`: write down what a folder holds, and hold it to that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.bundle.digests import Digest, Notes, digest_all
from lifecycle.bundle.folder import check_weights, files_of, read_manifest
from lifecycle.bundle.meter import Meter, gigabytes
from lifecycle.home import Home
from planner.bundle import MANIFEST, BundleError, BundleFile, Manifest, bundle_id, decode, encode, kind_of, licence_of
from planner.progress import Progress
from planner.upload import part_bytes

WHOLE = 2**63
"""Length of a part that no file exceeds: what is not sent needs no digests of parts."""


class SealReport(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle seal`.

    Attributes:
        bundle: its id.
        size: bytes of all files.
        without_licence: files for which nobody said one.

    """

    folder: str
    bundle: str
    files: int
    size: int
    without_licence: int


class VerifyBundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle verify`: every file that is not as the manifest says, by path.

    Attributes:
        bundle: its id.
        size: bytes of all files, as the manifest says.

    """

    folder: str
    bundle: str
    ok: bool
    files: int
    size: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that holds what its manifest says, and the digests that show it.

    Attributes:
        raw: the manifest's bytes.
        digests: path -> digest, with S3's parts.

    """

    raw: bytes
    manifest: Manifest
    digests: dict[str, Digest]

    @property
    def id(self) -> str:
        """The bundle's id."""
        return bundle_id(self.raw)


def notes_of(home: Home, folder: Path) -> Notes:
    """Return the notes of work on a folder, which is known by its device and inode."""
    found = folder.stat()
    return Notes(home.root / "bundles" / f"{found.st_dev}-{found.st_ino}.jsonl")


def seal(home: Home, folder: Path, licences: Mapping[str, str], progress: Progress) -> SealReport:
    """Write the manifest of a folder, in place of the one that it may have.

    Args:
        home: where an interrupted run is noted.
        folder: with what the bundle holds; weights below `weights/`.
        licences: folder or path in the bundle -> licence.
        progress: told about files and bytes.

    Raises:
        BundleError: something in it may not be in a bundle.

    """
    found = files_of(folder)
    for path in found:
        check_weights(folder, path, kind_of(path))
    digests = _digests(home, folder, {path: stat.st_size for path, stat in found.items()}, progress)
    sealed = tuple(
        BundleFile(
            path=path, size=made.size, sha256=made.sha256, kind=kind_of(path), licence=licence_of(path, licences)
        )
        for path, made in digests.items()
    )
    raw = encode(sealed)
    files.write(folder / MANIFEST, raw, files.PUBLIC)
    notes_of(home, folder).forget()
    return SealReport(
        folder=str(folder),
        bundle=bundle_id(raw),
        files=len(sealed),
        size=sum(file.size for file in sealed),
        without_licence=sum(not file.licence for file in sealed),
    )


def verify(home: Home, folder: Path, progress: Progress, *, expected: str = "") -> VerifyBundleReport:
    """Compare every file of a folder with its manifest; nothing is changed.

    Args:
        home: where an interrupted run is noted.
        folder: the bundle.
        progress: told about files and bytes.
        expected: the id that it must have; empty for any.

    Raises:
        BundleError: it has no manifest, another id, or holds what may not be in a bundle.

    """
    _, report = _compare(home, folder, progress, expected=expected)
    notes_of(home, folder).forget()
    return report


def verified(home: Home, folder: Path, progress: Progress, part: int) -> Verified:
    """Return a bundle that is as its manifest says; its notes are kept, for the caller to drop.

    Args:
        home: where an interrupted run is noted.
        folder: the bundle.
        progress: told about files and bytes.
        part: length of the parts that each digest has, in bytes.

    Raises:
        BundleError: it is not.

    """
    made, report = _compare(home, folder, progress, part=part)
    if not report.ok:
        wrong = [*report.missing, *report.changed, *report.extra]
        raise BundleError(
            f"{folder} is not what its manifest says: {len(wrong)} of its files differ, the first is {wrong[0]!r}",
            hint=f"`deploy bundle verify {folder}` names all of them; `deploy bundle seal {folder}` takes them as new.",
        )
    return made


def _compare(
    home: Home, folder: Path, progress: Progress, *, expected: str = "", part: int = WHOLE
) -> tuple[Verified, VerifyBundleReport]:
    found, raw = files_of(folder), read_manifest(folder)
    manifest = decode(raw, str(folder / MANIFEST))
    if expected and bundle_id(raw) != expected:
        raise BundleError(
            f"{folder} is bundle {bundle_id(raw)}, not {expected}",
            hint="An id names exact content: use the folder that was sealed under it.",
            code="other_bundle",
        )
    named = {file.path: file for file in manifest.files}
    same_size = {path: file.size for path, file in named.items() if path in found and found[path].st_size == file.size}
    for path in same_size:
        check_weights(folder, path, named[path].kind)
    digests = _digests(home, folder, same_size, progress, part)
    right = {path for path, made in digests.items() if made.sha256 == named[path].sha256}
    missing = tuple(sorted(named.keys() - found.keys()))
    extra = tuple(sorted(found.keys() - named.keys()))
    changed = tuple(sorted(named.keys() & found.keys() - right))
    report = VerifyBundleReport(
        folder=str(folder),
        bundle=bundle_id(raw),
        ok=not (missing or extra or changed),
        files=len(named),
        size=manifest.size,
        missing=missing,
        changed=changed,
        extra=extra,
    )
    return Verified(raw=raw, manifest=manifest, digests=digests), report


def _digests(
    home: Home, folder: Path, sizes: Mapping[str, int], progress: Progress, part: int = WHOLE
) -> dict[str, Digest]:
    """Return path -> digest of the files named."""
    total = sum(sizes.values())
    with progress.step(f"digests of {len(sizes)} files, {gigabytes(total)}"):
        made = digest_all(
            (folder / path for path in sizes),
            notes_of(home, folder),
            lambda size: part_bytes(size, part),
            Meter(progress, total, "read"),
        )
    return {path: made[folder / path] for path in sizes}
