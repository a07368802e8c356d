"""What a team's operators need for the state that they share: the bucket's objects, and the key that seals secrets.

Pulumi keeps everything below `.pulumi/`, and asks S3 and KMS for what is here and nothing else; the tests record it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lifecycle.pulumi_place import StateChoice
from planner.errors import UsageError
from planner.partitions import partition_of

Statement = dict[str, Any]
_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")


def state_statements(choice: StateChoice, account: str, region: str) -> Iterator[Statement]:
    """Yield the statements that a shared state takes; none where a stack has its state in its own folder.

    Args:
        choice: where the state is.
        account: number of the account whose key an alias or id names.
        region: of the key, where its URL says none.

    Raises:
        UsageError: the key is named in no way that is known.

    """
    if not choice.backend:
        return
    place = urlsplit(choice.backend)
    partition, path = partition_of(region).name, place.path.strip("/")
    bucket, below = f"arn:{partition}:s3:::{place.netloc}", f"{path}/" if path else ""
    listing: Statement = {"Sid": "ListTheState", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket}
    if below:
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{below}*"}}
    yield listing
    yield {
        "Sid": "KeepTheState",
        "Effect": "Allow",
        # A large state goes in parts, which are dropped if one of them fails.
        "Action": ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
        "Resource": f"{bucket}/{below}.pulumi/*",
    }
    yield _sealing(choice.secrets_provider, partition, account, region)


def _sealing(url: str, partition: str, account: str, region: str) -> Statement:
    """Allow a key to be used; one that is known by an alias is whichever has the alias."""
    parts = urlsplit(url)
    named = f"{parts.netloc}{parts.path}".lstrip("/")
    statement: Statement = {"Sid": "SealSecretsInTheState", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt"]}
    owner = f"arn:{partition}:kms:{parse_qs(parts.query).get('region', [region])[0]}:{account}"
    if named.startswith("arn:"):
        owner, _, named = named.rpartition(":")
    if named.startswith("alias/"):
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": named}}
        return {**statement, "Resource": f"{owner}:key/*", "Condition": condition}
    key = named.removeprefix("key/")
    if not _KEY_ID.fullmatch(key):
        raise UsageError(
            f"--secrets-provider {url!r} names no key",
            hint="Write it as awskms://alias/NAME?region=REGION, awskms://KEY-ID?region=REGION or awskms:///ARN.",
            code="no_key",
        )
    return {**statement, "Resource": f"{owner}:key/{key}"}
