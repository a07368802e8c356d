"""What a bucket is made to be. Each part is put whole, and its id is the bucket's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target
from sandbox.handlers.waiting import is_gone

_IN_S3 = {"id": "ID", "kmsMasterKeyId": "KMSMasterKeyID", "mfaDelete": "MFADelete", "sseAlgorithm": "SSEAlgorithm"}
_IN_PULUMI = {theirs: ours for ours, theirs in _IN_S3.items()}


def _to_s3(value: Any) -> Any:
    """Return a property under S3's names; what is not set is left out."""
    if isinstance(value, Mapping):
        return {
            _IN_S3.get(name, name[0].upper() + name[1:]): _to_s3(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [_to_s3(item) for item in value] if isinstance(value, list) else value


def _from_s3(value: Any) -> Any:
    """Return what S3 says under the provider's names."""
    if isinstance(value, Mapping):
        return {
            _IN_PULUMI.get(name, name[0].lower() + name[1:]): _from_s3(inner)
            for name, inner in value.items()
            if name != "ResponseMetadata"
        }
    return [_from_s3(item) for item in value] if isinstance(value, list) else value


class _Part(Resource):
    """One configuration of a bucket: a `put`, a `get` and a `delete` of its own."""

    fixed = frozenset({"bucket"})
    put: ClassVar[str]
    get: ClassVar[str]
    drop: ClassVar[str]

    def argument(self, inputs: Properties) -> Properties:
        """Return the arguments of `put`, beside the bucket."""
        raise NotImplementedError

    def said(self, answer: Record) -> Properties:
        """Return the outputs from the answer of `get`; empty when the bucket has no such part."""
        raise NotImplementedError

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Put the part."""
        getattr(clients.client("s3"), self.put)(Bucket=inputs["bucket"], **self.argument(inputs))
        return str(inputs["bucket"])

    def complete(self, target: Target) -> None:
        """Put it again, as it may be there by S3's own choice."""
        self.make(target.clients, target.inputs)

    def change(self, change: Change) -> None:
        """Put it as it is wanted now."""
        self.make(change.clients, change.inputs)

    def describe(self, target: Target) -> Record | None:
        """Return the part; None when it, or the bucket, is gone."""
        try:
            answer: Record = getattr(target.clients.client("s3"), self.get)(Bucket=target.id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return answer if self.said(answer) else None

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the bucket's part, if it has one."""
        record = self.describe(Target(clients, inputs["bucket"], inputs))
        if record is not None:
            yield inputs["bucket"], record

    def fits(self, inputs: Properties, record: Record) -> bool:
        """Tell whether the part is what was wanted: S3 gives buckets some parts of its own."""
        seen = self.said(record)
        return all(self._same(name, inputs.get(name), seen.get(name)) for name in self.in_place)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {"bucket": target.id, **self.said(record)}

    def remove(self, target: Target) -> None:
        """Take the part away."""
        try:
            getattr(target.clients.client("s3"), self.drop)(Bucket=target.id)
        except ClientError as error:
            if not is_gone(error):
                raise


class BucketPolicy(_Part):
    """`aws:s3/bucketPolicy:BucketPolicy`."""

    type = "aws:s3/bucketPolicy:BucketPolicy"
    in_place = frozenset({"policy"})
    required = frozenset({"bucket", "policy"})
    documents = frozenset({"policy"})
    put, get, drop = "put_bucket_policy", "get_bucket_policy", "delete_bucket_policy"

    def argument(self, inputs: Properties) -> Properties:
        """Return the document."""
        return {"Policy": inputs["policy"]}

    def said(self, answer: Record) -> Properties:
        """Return the document."""
        return {"policy": answer["Policy"]}


class BucketPublicAccessBlock(_Part):
    """`aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock`."""

    type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    in_place = frozenset({"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"})
    required = frozenset({"bucket"})
    put, get, drop = "put_public_access_block", "get_public_access_block", "delete_public_access_block"

    def argument(self, inputs: Properties) -> Properties:
        """Return the four switches."""
        return {"PublicAccessBlockConfiguration": _to_s3({name: bool(inputs.get(name)) for name in self.in_place})}

    def said(self, answer: Record) -> Properties:
        """Return the four switches."""
        return dict(_from_s3(answer["PublicAccessBlockConfiguration"]))


class BucketVersioning(_Part):
    """`aws:s3/bucketVersioning:BucketVersioning`. It can be suspended and never undone."""

    type = "aws:s3/bucketVersioning:BucketVersioning"
    in_place = frozenset({"versioningConfiguration"})
    required = frozenset({"bucket", "versioningConfiguration"})
    put, get = "put_bucket_versioning", "get_bucket_versioning"

    def argument(self, inputs: Properties) -> Properties:
        """Return the configuration."""
        return {"VersioningConfiguration": _to_s3(inputs["versioningConfiguration"])}

    def said(self, answer: Record) -> Properties:
        """Return the configuration; a bucket that never had one has no status."""
        known = {name: answer[name] for name in ("Status", "MFADelete") if name in answer}
        return {"versioningConfiguration": _from_s3(known)} if answer.get("Status") == "Enabled" else {}

    def remove(self, target: Target) -> None:
        """Suspend it."""
        if self.describe(target) is not None:
            suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
            target.clients.client("s3").put_bucket_versioning(Bucket=target.id, **suspended)


class BucketServerSideEncryptionConfiguration(_Part):
    """`aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration`."""

    type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    in_place = frozenset({"rules"})
    required = frozenset({"bucket", "rules"})
    put, get, drop = "put_bucket_encryption", "get_bucket_encryption", "delete_bucket_encryption"

    def argument(self, inputs: Properties) -> Properties:
        """Return the rules."""
        return {"ServerSideEncryptionConfiguration": {"Rules": _to_s3(inputs["rules"])}}

    def said(self, answer: Record) -> Properties:
        """Return the rules."""
        return {"rules": _from_s3(answer["ServerSideEncryptionConfiguration"]["Rules"])}


class BucketLifecycleConfiguration(_Part):
    """`aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration`."""

    type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    in_place = frozenset({"rules"})
    required = frozenset({"bucket", "rules"})
    put, get, drop = (
        "put_bucket_lifecycle_configuration",
        "get_bucket_lifecycle_configuration",
        "delete_bucket_lifecycle",
    )

    def argument(self, inputs: Properties) -> Properties:
        """Return the rules."""
        return {"LifecycleConfiguration": {"Rules": _to_s3(inputs["rules"])}}

    def said(self, answer: Record) -> Properties:
        """Return the rules."""
        return {"rules": _from_s3(answer["Rules"])}


class BucketOwnershipControls(_Part):
    """`aws:s3/bucketOwnershipControls:BucketOwnershipControls`."""

    type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    in_place = frozenset({"rule"})
    required = frozenset({"bucket", "rule"})
    put, get, drop = (
        "put_bucket_ownership_controls",
        "get_bucket_ownership_controls",
        "delete_bucket_ownership_controls",
    )

    def argument(self, inputs: Properties) -> Properties:
        """Return the one rule there is."""
        return {"OwnershipControls": {"Rules": [_to_s3(inputs["rule"])]}}

    def said(self, answer: Record) -> Properties:
        """Return the one rule there is."""
        rules = answer["OwnershipControls"]["Rules"]
        return {"rule": _from_s3(rules[0])} if rules else {}
