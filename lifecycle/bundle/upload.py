"""One object: there already, put in one request, or put in parts that an interruption does not lose.

Every request carries SHA-256 digests that were made from the file when it was compared with the manifest. S3 computes
them again from what arrives and refuses what differs, so that what lies in the bucket is what the manifest names, even
if the file changed in between. An object appears in the bucket when its last part is there, or not at all.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from lifecycle.bundle.bucket import Bucket
from lifecycle.bundle.digests import Digest
from lifecycle.bundle.meter import Meter
from planner.bundle import object_key
from planner.upload import windows

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a file: where it begins, its length in bytes, and its SHA-256 in base64."""

    number: int
    start: int
    length: int
    sha256: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is to be in the bucket."""

    path: Path
    digest: Digest
    part_bytes: int

    @property
    def key(self) -> str:
        """Where it lies in the bucket."""
        return object_key(self.digest.sha256)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts."""
        cut = zip(windows(self.digest.size, self.part_bytes), self.digest.parts, strict=True)
        return tuple(
            Part(number=number, start=start, length=length, sha256=sha256)
            for number, ((start, length), sha256) in enumerate(cut, 1)
        )

    @property
    def checksum(self) -> str:
        """S3's checksum of the object, in base64: its SHA-256, or of several parts the SHA-256 of theirs.

        For objects in parts S3 knows whole-object checksums of the CRC family alone (S3 user guide, "Checking object
        integrity"); SHA-256 of what was sent in parts is "composite".
        """
        if len(self.digest.parts) == 1:
            return self.digest.parts[0]
        return b64encode(hashlib.sha256(b"".join(b64decode(part) for part in self.digest.parts)).digest()).decode()


class Uploads:
    """Puts objects into one bucket."""

    def __init__(self, session: AwsSession, bucket: Bucket) -> None:
        self._session, self._bucket = session, bucket

    @property
    def _place(self) -> dict[str, Any]:
        """What every request says: where to, and whose that must be."""
        return {"Bucket": self._bucket.name, "ExpectedBucketOwner": self._bucket.owner}

    @property
    def _sealed(self) -> dict[str, Any]:
        """How an object is encrypted: said by each request, not left to the bucket's settings."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._bucket.key_arn, "BucketKeyEnabled": True}

    def has(self, item: Item) -> bool:
        """Tell whether an object is there, with the same length, checksum and encryption key."""
        found = self._head(item.key)
        return (
            found is not None
            and found["ContentLength"] == item.digest.size
            and found.get("ChecksumSHA256", "").partition("-")[0] == item.checksum  # S3 adds `-` and the parts' number
            and found.get("SSEKMSKeyId") == self._bucket.key_arn
        )

    def _head(self, key: str) -> Mapping[str, Any] | None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - the SDK takes a third of a second to load

        with told("s3:GetObject", self._bucket.region):
            try:
                return self._session.s3.head_object(Key=key, ChecksumMode="ENABLED", **self._place)
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    return None
                raise

    def put(self, key: str, body: bytes) -> None:
        """Put a small object."""
        sha256 = b64encode(hashlib.sha256(body).digest()).decode()
        with told("s3:PutObject", self._bucket.region):
            self._session.s3.put_object(
                Key=key,
                Body=body,
                ContentLength=len(body),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=sha256,
                **self._sealed,
                **self._place,
            )

    def put_file(self, item: Item, meter: Meter) -> None:
        """Put a file that is no longer than a part."""
        (part,) = item.parts
        with told("s3:PutObject", self._bucket.region), closing(_section(item, part)) as body:
            self._session.s3.put_object(
                Key=item.key,
                Body=body,
                ContentLength=part.length,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=part.sha256,
                **self._sealed,
                **self._place,
            )
        meter.advance(part.length)

    def unfinished(self) -> dict[str, tuple[str, ...]]:
        """Return key -> ids of uploads that were begun and neither finished nor aborted, the newest first."""
        found: dict[str, list[Any]] = {}
        with told("s3:ListBucketMultipartUploads", self._bucket.region):
            for page in self._session.s3.get_paginator("list_multipart_uploads").paginate(**self._place):
                for upload in page.get("Uploads", ()):
                    found.setdefault(upload["Key"], []).append(upload)
        return {
            key: tuple(one["UploadId"] for one in sorted(uploads, key=lambda one: one["Initiated"], reverse=True))
            for key, uploads in found.items()
        }

    def begin(self, item: Item) -> str:
        """Begin an upload in parts, and return its id."""
        with told("s3:PutObject", self._bucket.region):
            begun = self._session.s3.create_multipart_upload(
                Key=item.key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE", **self._sealed, **self._place
            )
        return begun["UploadId"]

    def there(self, item: Item, upload: str) -> dict[int, str] | None:
        """Return the ETag of each part that arrived, by its number; None if the file's parts do not go with them."""
        wanted = {part.number: part for part in item.parts}
        arrived: dict[int, str] = {}
        with told("s3:ListMultipartUploadParts", self._bucket.region):
            pages = self._session.s3.get_paginator("list_parts").paginate(Key=item.key, UploadId=upload, **self._place)
            for page in pages:
                for said in page.get("Parts", ()):
                    part = wanted.get(said["PartNumber"])
                    if part is None:
                        return None  # cut in another way: the object would have parts that nobody asked for
                    if said["Size"] == part.length and said.get("ChecksumSHA256") == part.sha256:
                        arrived[part.number] = said["ETag"]
        return arrived

    def put_part(self, item: Item, upload: str, part: Part, meter: Meter) -> str:
        """Put one part, and return its ETag."""
        meter.advance(0)  # not begun any more when work is to end
        with told("s3:PutObject", self._bucket.region), closing(_section(item, part)) as body:
            put = self._session.s3.upload_part(
                Key=item.key,
                UploadId=upload,
                PartNumber=part.number,
                Body=body,
                ContentLength=part.length,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=part.sha256,
                **self._place,
            )
        meter.advance(part.length)
        return put["ETag"]

    def finish(self, item: Item, upload: str, etags: Mapping[int, str]) -> None:
        """Make the object of its parts: S3 compares the digest of each with what arrived."""
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": etags[part.number], "ChecksumSHA256": part.sha256}
            for part in item.parts
        ]
        with told("s3:PutObject", self._bucket.region):
            self._session.s3.complete_multipart_upload(
                Key=item.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                MpuObjectSize=item.digest.size,
                **self._place,
            )

    def abort(self, key: str, upload: str) -> None:
        """Drop an upload, with the parts that arrived."""
        with told("s3:AbortMultipartUpload", self._bucket.region):
            self._session.s3.abort_multipart_upload(Key=key, UploadId=upload, **self._place)


def _section(item: Item, part: Part) -> Any:
    """Open a part of a file: read as it is sent, and again from its beginning when it is sent again."""
    from s3transfer.utils import ReadFileChunk  # noqa: PLC0415 - as the SDK

    return ReadFileChunk.from_filename(str(item.path), part.start, part.length)
