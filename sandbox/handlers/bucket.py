"""S3 buckets. What a bucket is made to be (encrypted, versioned, ...) are resources of their own: `bucket_parts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from planner.partitions import partition_of
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free

_DEFAULT_REGION = "us-east-1"
"""The one region that S3 does not want named (API CreateBucket)."""


class Bucket(Resource):
    """`aws:s3/bucket:Bucket`. Its id is its name."""

    type = "aws:s3/bucket:Bucket"
    fixed = frozenset({"bucket"})
    in_place = frozenset({"forceDestroy", "tags"})
    required = frozenset({"bucket"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the bucket."""
        where = {} if clients.region == _DEFAULT_REGION else {"LocationConstraint": clients.region}
        tags = {"Tags": tag_list(inputs["tags"])} if inputs.get("tags") else {}
        configuration = {"CreateBucketConfiguration": {**where, **tags}} if where or tags else {}
        clients.client("s3").create_bucket(Bucket=inputs["bucket"], **configuration)
        return str(inputs["bucket"])

    def describe(self, target: Target) -> Record | None:
        """Return the bucket's place and tags; None when it is gone."""
        s3 = target.clients.client("s3")
        try:
            place = s3.get_bucket_location(Bucket=target.id)["LocationConstraint"] or _DEFAULT_REGION
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {"Region": place, "Tags": _tags(s3, target.id)}

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the bucket of that name, if it carries the resource's own tags."""
        record, mine = self.describe(Target(clients, inputs["bucket"], inputs)), own_tags(inputs)
        if record is not None and mine and mine.items() <= tag_outputs(record["Tags"])["tags"].items():
            yield inputs["bucket"], record

    def retag(self, change: Change) -> None:
        """Change the tags."""
        s3, tags = change.clients.client("s3"), change.inputs.get("tags")
        if tags:
            s3.put_bucket_tagging(Bucket=change.id, Tagging={"TagSet": tag_list(tags)})
        else:
            s3.delete_bucket_tagging(Bucket=change.id)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        partition = partition_of(record["Region"])
        return {
            "arn": f"arn:{partition.name}:s3:::{target.id}",
            "bucket": target.id,
            "region": record["Region"],
            "bucketDomainName": f"{target.id}.s3.{partition.dns_suffix}",
            "bucketRegionalDomainName": f"{target.id}.s3.{record['Region']}.{partition.dns_suffix}",
            **tag_outputs(record["Tags"]),
        }

    def remove(self, target: Target) -> None:
        """Delete the bucket, and first what is in it if the inputs say so (`forceDestroy`)."""
        s3 = target.clients.client("s3")
        if self.describe(target) is None:
            return
        if target.inputs.get("forceDestroy"):
            _empty(s3, target.id)
        remove_when_free(lambda: s3.delete_bucket(Bucket=target.id), target.id)


def _tags(s3: Any, bucket: str) -> list[dict[str, str]]:
    try:
        tags: list[dict[str, str]] = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if is_gone(error):
            return []
        raise
    return tags


def _empty(s3: Any, bucket: str) -> None:
    """Delete every version of every object, and uploads that were never finished."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads") or []:
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = list(_versions(page))
        if objects:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise RuntimeError(f"{bucket}: {len(errors)} objects stay, first {errors[0]['Key']}: {errors[0]}")


def _versions(page: Record) -> Iterator[dict[str, str]]:
    for kind in ("Versions", "DeleteMarkers"):
        for one in page.get(kind) or []:
            yield {"Key": one["Key"], "VersionId": one["VersionId"]}
