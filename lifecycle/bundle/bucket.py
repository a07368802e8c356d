"""Which bucket a bundle goes to: the stack's own, in the account that the profile names, under the stack's own key."""

from __future__ import annotations

import msgspec

from lifecycle.aws.account import Caller
from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from planner.bundle import bucket_name, key_alias
from planner.errors import DeployError
from planner.tags import STACK_TAG


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A stack's bucket.

    Attributes:
        owner: number of the account; S3 refuses a request if the bucket turns out to be another's.
        key_arn: the key that everything in it is encrypted with.

    """

    name: str
    owner: str
    region: str
    key_arn: str


def bucket_of(session: AwsSession, caller: Caller, stack: str) -> Bucket:
    """Return the bucket that a stack's nodes install from.

    Raises:
        DeployError: it does not exist yet, is another's, is of another stack, or would not be encrypted as it must.

    """
    name = bucket_name(stack, caller.account)
    _check_tags(session, name, caller.account, stack)
    with told("kms:DescribeKey", session.region):
        key = session.kms.describe_key(KeyId=key_alias(stack))["KeyMetadata"]["Arn"]
    with told("s3:GetEncryptionConfiguration", session.region):
        found = session.s3.get_bucket_encryption(Bucket=name, ExpectedBucketOwner=caller.account)
    rules = found["ServerSideEncryptionConfiguration"]["Rules"]
    by = {rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for rule in rules}
    if by != {key}:
        raise DeployError(
            f"bucket {name} is not encrypted with the key of stack {stack}, {key}",
            hint=f"Somebody changed the bucket or the key: `deploy up --stack {stack}` puts both right.",
            code="wrong_bucket",
        )
    return Bucket(name=name, owner=caller.account, region=session.region, key_arn=key)


def _check_tags(session: AwsSession, name: str, owner: str, stack: str) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - the SDK takes a third of a second to load

    with told("s3:GetBucketTagging", session.region):
        try:
            said = session.s3.get_bucket_tagging(Bucket=name, ExpectedBucketOwner=owner)["TagSet"]
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "NoSuchBucket":
                raise _no_bucket(name, stack, owner, session.region) from error
            if code != "NoSuchTagSet":
                raise
            said = []
    if {tag["Key"]: tag["Value"] for tag in said}.get(STACK_TAG) != stack:
        raise DeployError(
            f"bucket {name} does not carry the tag {STACK_TAG}={stack}: it is not this stack's",
            hint="Nothing was written. Look at who made it before anything else.",
            code="wrong_bucket",
        )


def _no_bucket(name: str, stack: str, account: str, region: str) -> DeployError:
    return DeployError(
        f"there is no bucket {name}: stack {stack} has not been made in account {account}, {region}",
        hint=f"`deploy up --stack {stack} --profile ...` makes it; nodes wait until their bundle is there.",
        code="no_bucket",
    )
