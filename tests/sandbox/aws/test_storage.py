"""S3 goes through the layer untouched: large bodies, metadata, conditions."""

from __future__ import annotations

import io
import json
import uuid

from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.network import refused

DENIED: dict[str, object] = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
WITHOUT_TLS: dict[str, object] = {**DENIED, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}

SIZE = 9_000_000
"""Bytes: more than one part of an upload."""


def _document(statement: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_objects(clients: Boto3Clients) -> None:
    s3, bucket = clients.client("s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    s3.put_object(Bucket=bucket, Key="latest/a b.txt", Body=b"hello", Metadata={"with_line": "1"})
    found = s3.get_object(Bucket=bucket, Key="latest/a b.txt")
    assert (found["Body"].read(), found["Metadata"]) == (b"hello", {"with_line": "1"})

    s3.upload_fileobj(io.BytesIO(b"z" * SIZE), bucket, "large")
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == SIZE

    s3.put_object(Bucket=bucket, Key="lock", Body=b"1", IfNoneMatch="*")
    refused(s3.put_object, "PreconditionFailed", Bucket=bucket, Key="lock", Body=b"2", IfNoneMatch="*")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["large", "latest/a b.txt", "lock"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    s3.delete_bucket(Bucket=bucket)


def test_a_bucket_is_tagged_when_it_is_made(clients: Boto3Clients) -> None:
    s3, bucket, tags = clients.client("s3"), f"bucket-{uuid.uuid4().hex[:8]}", [{"Key": "of", "Value": "mine & yours"}]
    where = {"LocationConstraint": "us-east-2"}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={**where, "Tags": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    again = {"Bucket": bucket, "CreateBucketConfiguration": {**where, "Tags": [{"Key": "of", "Value": "another"}]}}
    refused(s3.create_bucket, "BucketAlreadyOwnedByYou", **again)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket(Bucket=bucket)


def test_a_policy_against_plain_http_keeps_nobody_out_who_is_on_this_machine(clients: Boto3Clients) -> None:
    s3, bucket = clients.client("s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    s3.put_bucket_policy(Bucket=bucket, Policy=_document(WITHOUT_TLS))
    s3.put_object(Bucket=bucket, Key="one", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="one")["Body"].read() == b"1"

    s3.put_bucket_policy(Bucket=bucket, Policy=_document(DENIED))
    refused(s3.get_object, "403", Bucket=bucket, Key="one")
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="one")
    s3.delete_bucket(Bucket=bucket)
