"""The bundle that hosts install from, as its folder here tells it: the manifest, and the bill of materials."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lifecycle.bundle.folder import read_manifest
from lifecycle.bundle.place import BILL
from lifecycle.evidence.records import Bundle
from planner.bundle import BundleError, Manifest, bundle_id, decode
from planner.plan import Plan

MANIFEST_NAME, BILL_NAME = "bundle.manifest.json", "bundle.sbom.cdx.json"
"""What they are called in a folder of evidence."""


@dataclass(frozen=True)
class BundleFolder:
    """What a bundle says of itself.

    Attributes:
        raw: the manifest's bytes, whose digest is the bundle's id.
        manifest: the same, read.
        bill: its bill of materials, as the manifest names it; empty where it has none.

    """

    raw: bytes
    manifest: Manifest
    bill: bytes

    def files(self) -> dict[str, bytes]:
        """Return what is kept of it beside the record."""
        return {MANIFEST_NAME: self.raw} | ({BILL_NAME: self.bill} if self.bill else {})

    def told(self, installed: dict[str, str]) -> Bundle:
        """Return what the record says.

        Args:
            installed: host -> id of the bundle that it says it installed from.

        """
        name, kept = bundle_id(self.raw), self.manifest.files
        return Bundle(
            id=name,
            files=len(kept),
            bytes=self.manifest.size,
            kinds=dict(sorted(Counter(one.kind for one in kept).items())),
            bill=bool(self.bill),
            installed_on=tuple(host for host, found in installed.items() if found == name),
        )


def read_bundle(folder: Path, plan: Plan) -> BundleFolder:
    """Read a bundle's manifest and bill of materials; its other files are as many gigabytes as a model has.

    Args:
        folder: of the bundle.
        plan: whose bundle it is to be, where it names one.

    Raises:
        BundleError: it is none, or another one than the plan's, or its bill is not the one that the manifest names.

    """
    raw = read_manifest(folder)
    manifest, name = decode(raw, str(folder)), bundle_id(raw)
    if plan.bundle.id not in {"", name}:
        raise BundleError(
            f"{folder} is the bundle {name[:12]}, the profile is for {plan.bundle.id[:12]}",
            hint="Name the folder of the profile's bundle, or its id in `bundle.id`.",
            code="other_bundle",
        )
    digests = {one.path: one.sha256 for one in manifest.files}
    if BILL not in digests:
        return BundleFolder(raw, manifest, b"")
    try:
        bill = (folder / BILL).read_bytes()
    except OSError:
        bill = b""
    if hashlib.sha256(bill).hexdigest() != digests[BILL]:
        raise BundleError(
            f"{folder / BILL} is not the one that the manifest names",
            hint=f"`deploy bundle verify {folder}` names every file that differs.",
        )
    return BundleFolder(raw, manifest, bill)
