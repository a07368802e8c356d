"""Checksums of S3 that moto passes over: a body that is not what its SHA-256 says, and those of an upload's parts."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from typing import Any

from moto.s3.responses import S3Response

from sandbox.aws.errors import AwsError
from sandbox.aws.wire import Message

_moto_list_parts = S3Response.list_parts
_PART = re.compile(rb"<PartNumber>(?P<number>\d+)</PartNumber>")


def check_body(message: Message) -> None:
    """Refuse a body that differs from the SHA-256 sent with it.

    Raises:
        AwsError: it does.

    """
    said = message.request.headers.get("x-amz-checksum-sha256")
    if message.service == "s3" and message.request.method == "PUT" and said and said != _sha256(message.body):
        raise AwsError("BadDigest", "The SHA256 you specified did not match the calculated checksum.")


def _list_parts(self: S3Response) -> Any:
    """Add to each part the SHA-256 that S3 keeps of it."""
    status, headers, body = _moto_list_parts(self)
    upload = self.backend.get_bucket(self.bucket_name).multiparts[self._get_param("uploadId")]

    def told(found: re.Match[bytes]) -> bytes:
        return (
            found[0] + f"<ChecksumSHA256>{_sha256(upload.parts[int(found['number'])].value)}</ChecksumSHA256>".encode()
        )

    return status, headers, _PART.sub(told, body.encode() if isinstance(body, str) else body)


def _sha256(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()


setattr(S3Response, "list_parts", _list_parts)  # noqa: B010  # mypy refuses to see a method assigned
