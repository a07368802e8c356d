"""`bundle push`: a verified folder to the bucket that the stack's nodes install from.

Files go first, the manifest last: a bundle is in the bucket as a whole, or not at all. What is there already with the
same checksum is passed over, and an upload that was interrupted goes on with the parts that are missing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.bundle.bucket import bucket_of
from lifecycle.bundle.check import Verified, notes_of, verified
from lifecycle.bundle.meter import Meter, gigabytes, in_parallel
from lifecycle.bundle.upload import Item, Uploads
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from planner.bundle import manifest_key, object_key
from planner.progress import Progress
from planner.upload import PART_BYTES, part_bytes

CONNECTIONS = 8
"""Requests at once; the SDK keeps ten connections open."""


class PushReport(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle push`.

    Attributes:
        bundle: its id: what `bundle.id` of the profile names.
        files: in the bundle.
        size: bytes of all of them.
        uploaded: bytes that were sent now.
        already_there: bytes that did not have to be sent: whole files and parts that were in the bucket before.
        aborted: uploads of the same files that could not be continued, and were dropped.
        unfinished: uploads of other files that somebody began and did not end: the bucket's rules delete their parts.

    """

    account: str
    region: str
    bucket: str
    key_arn: str
    bundle: str
    files: int
    size: int
    uploaded: int
    already_there: int
    aborted: int
    unfinished: tuple[str, ...]


def push(
    home: Home,
    folder: Path,
    profile_name: str,
    stack: str,
    progress: Progress,
    *,
    part: int = PART_BYTES,
    connections: int = CONNECTIONS,
) -> PushReport:
    """Verify a bundle and put it into a stack's bucket.

    Args:
        home: where an interrupted verification is noted.
        folder: the bundle.
        profile_name: names region and account.
        stack: whose bucket.
        progress: told about bytes.
        part: files longer than this go in parts of it, in bytes.
        connections: requests at once.

    Raises:
        DeployError: the bundle is not as its manifest says, the account is another one, there is no such bucket, or AWS
            refuses. What arrived stays, and the same command goes on from there.

    """
    profile = load_profile(profile_name)
    session = AwsSession(profile.aws.region)
    caller = check_account(session, profile.aws.account)
    bucket = bucket_of(session, caller, stack)
    home.stack(stack)
    bundle = verified(home, folder, progress, part)
    pushing = _Pushing(Uploads(session, bucket), progress, connections)
    pushing.send(_items(folder, bundle, part))
    with progress.step("manifest, last"):
        pushing.uploads.put(manifest_key(bundle.id), bundle.raw)
    notes_of(home, folder).forget()
    return PushReport(
        account=caller.account,
        region=caller.region,
        bucket=bucket.name,
        key_arn=bucket.key_arn,
        bundle=bundle.id,
        files=len(bundle.manifest.files),
        size=bundle.manifest.size,
        uploaded=pushing.uploaded,
        already_there=bundle.manifest.size - pushing.uploaded,
        aborted=pushing.aborted,
        unfinished=pushing.others,
    )


def _items(folder: Path, bundle: Verified, part: int) -> tuple[Item, ...]:
    """Return what is to be in the bucket: files with the same content are one object."""
    by_content = {
        file.sha256: Item(
            path=folder / file.path, digest=bundle.digests[file.path], part_bytes=part_bytes(file.size, part)
        )
        for file in bundle.manifest.files
    }
    return tuple(by_content.values())


class _Pushing:
    """One push, and what came of it."""

    def __init__(self, uploads: Uploads, progress: Progress, connections: int) -> None:
        self.uploads, self._progress, self._connections = uploads, progress, connections
        self.uploaded = self.aborted = 0
        self.others: tuple[str, ...] = ()

    def send(self, items: tuple[Item, ...]) -> None:
        """Put what is not there yet."""
        with self._progress.step("what is in the bucket already"):
            looking = Meter(self._progress, 0, "")
            there = in_parallel(self.uploads.has, items, self._connections, looking)
            missing = [item for item, found in zip(items, there, strict=True) if not found]
            begun = self.uploads.unfinished()
            for item, found in zip(items, there, strict=True):
                if found:
                    self._drop(item, begun.get(item.key, ()))
            self.others = tuple(sorted(begun.keys() - {object_key(item.digest.sha256) for item in items}))
        if self.others:
            self._progress.warn(
                f"{len(self.others)} uploads of other files were begun and not ended; the bucket deletes their parts "
                "after the days that its rules say"
            )
        small = [item for item in missing if len(item.parts) == 1]
        large = [item for item in missing if len(item.parts) > 1]
        size = sum(item.digest.size for item in missing)
        with self._progress.step(f"upload of {len(missing)} files, {gigabytes(size)}"):
            meter = Meter(self._progress, size, "uploaded")
            in_parallel(lambda item: self.uploads.put_file(item, meter), small, self._connections, meter)
            self.uploaded += sum(item.digest.size for item in small)
            for item in large:
                self._in_parts(item, begun.get(item.key, ()), meter)

    def _in_parts(self, item: Item, begun: tuple[str, ...], meter: Meter) -> None:
        """Put a file in parts: those that an earlier upload lacks, of the newest that can be continued."""
        upload, etags = self._continued(item, begun)
        missing = [part for part in item.parts if part.number not in etags]
        length = sum(part.length for part in missing)
        meter.advance(item.digest.size - length)
        put = in_parallel(
            lambda part: (part.number, self.uploads.put_part(item, upload, part, meter)),
            missing,
            self._connections,
            meter,
        )
        self.uploads.finish(item, upload, {**etags, **dict(put)})
        self.uploaded += length

    def _continued(self, item: Item, begun: tuple[str, ...]) -> tuple[str, dict[int, str]]:
        """Return an upload and its parts' ETags; drop every other of the same file."""
        chosen: tuple[str, dict[int, str]] | None = None
        for upload in begun:
            etags = self.uploads.there(item, upload) if chosen is None else None
            if etags is None:
                self._drop(item, (upload,))
            else:
                chosen = upload, etags
        return chosen or (self.uploads.begin(item), {})

    def _drop(self, item: Item, begun: tuple[str, ...]) -> None:
        for upload in begun:
            self.uploads.abort(item.key, upload)
            self.aborted += 1
