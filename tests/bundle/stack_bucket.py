"""The bucket and key that a stack has, made without the stack."""

from __future__ import annotations

import secrets
from typing import Any

from tests.sandbox.aws.account import REGION, Account

ACCOUNT_ID = "123456789012"


class StackBucket:
    """A bucket of the emulated account, encrypted with a key of its own, for one test."""

    def __init__(self, account: Account) -> None:
        clients = account.clients(REGION)
        self.s3, self.kms = clients.client("s3"), clients.client("kms")
        self.stack = f"t{secrets.token_hex(4)}"
        self.name = f"cloister-{self.stack}-{ACCOUNT_ID}"
        self.key_arn = str(self.kms.create_key()["KeyMetadata"]["Arn"])
        self.kms.create_alias(AliasName=f"alias/cloister-{self.stack}", TargetKeyId=self.key_arn)
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.tag(self.stack)
        self.encrypt(self.key_arn)

    def tag(self, stack: str) -> None:
        tags = [{"Key": "cloister:stack", "Value": stack}]
        self.s3.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": tags})

    def encrypt(self, key_arn: str) -> None:
        by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
        rules = [{"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": True}]
        self.s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={"Rules": rules})

    def names(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())

    def unfinished(self) -> list[Any]:
        return list(self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", ()))

    def parts(self, upload: Any) -> set[int]:
        found = self.s3.list_parts(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        return {part["PartNumber"] for part in found.get("Parts", ())}

    def remove(self) -> None:
        for upload in self.unfinished():
            self.s3.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        found = self.s3.list_object_versions(Bucket=self.name)
        for one in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
            self.s3.delete_object(Bucket=self.name, Key=one["Key"], VersionId=one["VersionId"])
        self.s3.delete_bucket(Bucket=self.name)
