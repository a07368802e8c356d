"""A maintained linter for IAM documents: cfn-lint, which knows the grammar, every action, and what each is about."""

from __future__ import annotations

import json
from typing import Any, Literal

from cfnlint.api import ManualArgs, lint

Kind = Literal["identity", "trust", "key", "bucket", "endpoint"]

_PLACES: dict[Kind, tuple[str, str]] = {
    "identity": ("AWS::IAM::ManagedPolicy", "PolicyDocument"),
    "trust": ("AWS::IAM::Role", "AssumeRolePolicyDocument"),
    "key": ("AWS::KMS::Key", "KeyPolicy"),
    "bucket": ("AWS::S3::BucketPolicy", "PolicyDocument"),
    "endpoint": ("AWS::EC2::VPCEndpoint", "PolicyDocument"),
}
"""Which kind of document it is -> where a CloudFormation template would have it."""
_MORE: dict[Kind, dict[str, Any]] = {
    "bucket": {"Bucket": "bundle"},
    "endpoint": {"VpcId": "vpc-0123456789abcdef0", "ServiceName": "com.amazonaws.us-east-2.s3"},
}
ABOUT_TEMPLATES = {"W1011", "I3011", "I3013", "I3042", "W3005"}
"""Rules about templates and not about the documents in them: there is none."""


def faults(kind: Kind, document: dict[str, Any]) -> list[str]:
    """Return what the linter finds, at every severity that it has."""
    type_, place = _PLACES[kind]
    template = {"Resources": {"Judged": {"Type": type_, "Properties": {place: document, **_MORE.get(kind, {})}}}}
    asked = ManualArgs(include_checks=["I", "W", "E"], regions=["us-east-2"])
    found = lint(json.dumps(template), config=asked)
    return [f"{match.rule.id}: {match.message[:300]}" for match in found if match.rule.id not in ABOUT_TEMPLATES]
