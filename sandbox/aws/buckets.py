"""Buckets: tagged by the call that makes them, and governed by policies that have conditions.

moto passes over the tags of CreateBucket. It also applies a bucket policy's statements whatever their conditions say,
so that a policy which denies requests without TLS would deny every request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket, s3_backends

from planner.partitions import partition_of
from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID


def _create(call: Call) -> object:
    response = call.forward()
    tags = call.parameters.get("CreateBucketConfiguration", {}).get("Tags")
    if response.status == HTTPStatus.OK and tags:
        backend = s3_backends[ACCOUNT_ID][partition_of(call.region.name).name]
        backend.put_bucket_tagging(call.parameters["Bucket"], {tag["Key"]: tag["Value"] for tag in tags})
    return response


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Judge a request by the statements that have no conditions.

    Requests reach this account from the same machine by plain HTTP: that stands for TLS.
    """
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    document: Mapping[str, Any] = json.loads(bucket.policy)
    plain = [statement for statement in document["Statement"] if "Condition" not in statement]
    if not plain:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps({**document, "Statement": plain})).is_action_permitted(action, resource)


setattr(FakeBucket, "get_permission", _permission)  # noqa: B010  # mypy refuses to see a method assigned

OPERATIONS: Mapping[tuple[str, str], Operation] = {("s3", "CreateBucket"): _create}
