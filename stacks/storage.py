"""Where nodes install from: a bucket that is nobody else's."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan import Plan
from stacks.account import Account
from stacks.arns import bundle_arn, bundle_bucket
from stacks.naming import tags_of


class Storage(pulumi.ComponentResource):
    """The bundle's bucket: encrypted with the stack's key, versioned, never public, read over TLS.

    Deleting the stack deletes what is in it, all versions: a bundle can be made again.
    """

    bucket_name: pulumi.Output[str]

    def __init__(self, name: str, plan: Plan, account: Account, key_arn: pulumi.Output[str]) -> None:
        super().__init__("cloister:aws:Storage", name)
        bucket = aws.s3.Bucket(
            f"{name}-bundle",
            bucket=bundle_bucket(plan, account),
            force_destroy=True,
            tags=tags_of(plan, f"{name}-bundle"),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self._last: pulumi.Resource = bucket
        self._part(aws.s3.BucketOwnershipControls, f"{name}-ownership", bucket, rule=_OWNER_ENFORCED)
        self._part(aws.s3.BucketPublicAccessBlock, f"{name}-public-access", bucket, **_NOTHING_PUBLIC)
        self._part(
            aws.s3.BucketVersioning, f"{name}-versioning", bucket, versioning_configuration={"status": "Enabled"}
        )
        self._part(
            aws.s3.BucketServerSideEncryptionConfiguration, f"{name}-encryption", bucket, rules=[_encryption(key_arn)]
        )
        self._part(aws.s3.BucketLifecycleConfiguration, f"{name}-lifecycle", bucket, rules=[_lifecycle(plan)])
        policy = json.dumps(bucket_policy(bundle_arn(plan, account), account))
        self._part(aws.s3.BucketPolicy, f"{name}-policy", bucket, policy=policy)
        self.bucket_name = bucket.bucket
        self.register_outputs({"bucket_name": self.bucket_name})

    def _part(self, kind: Any, name: str, bucket: aws.s3.Bucket, **inputs: Any) -> None:
        """Add one part, after the one before: S3 refuses two changes of one bucket at a time (`OperationAborted`)."""
        options = pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[self._last])
        self._last = kind(name, bucket=bucket.bucket, opts=options, **inputs)


_OWNER_ENFORCED = {"object_ownership": "BucketOwnerEnforced"}
"""No access lists: what is written belongs to the bucket's account, whoever wrote it."""

_NOTHING_PUBLIC = {
    "block_public_acls": True,
    "block_public_policy": True,
    "ignore_public_acls": True,
    "restrict_public_buckets": True,
}


def _encryption(key_arn: pulumi.Output[str]) -> Any:
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        # One data key for many objects: nodes ask KMS once, and not for each of a model's files.
        "bucket_key_enabled": True,
    }


def _lifecycle(plan: Plan) -> Any:
    return {
        "id": "old-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": plan.storage.old_versions_days},
        "abort_incomplete_multipart_upload": {"days_after_initiation": plan.storage.unfinished_uploads_days},
    }


def bucket_policy(arn: str, account: Account) -> dict[str, object]:
    """Return what nobody may do, whatever their own permissions say; it allows nothing."""
    everything = [arn, f"{arn}/*"]

    def deny(sid: str, condition: dict[str, dict[str, str]], action: str = "s3:*") -> dict[str, object]:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": everything if action == "s3:*" else f"{arn}/*",
            "Condition": condition,
        }

    return {
        "Version": "2012-10-17",
        "Statement": [
            deny("TlsOnly", {"Bool": {"aws:SecureTransport": "false"}}),
            deny("RecentTlsOnly", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
            deny("OwnAccountOnly", {"StringNotEquals": {"aws:PrincipalAccount": account.id}}),
            deny(
                "CustomerKeyOnly",
                {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"}},
                "s3:PutObject",
            ),
        ],
    }
