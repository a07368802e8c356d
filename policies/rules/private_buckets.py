"""A bucket is nobody else's: no public access, no access lists, TLS only, and what was overwritten can be had back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.about import by_type
from policies.documents import MalformedError, Statement, UndecidedError, read
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, is_on, require

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"

SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PARTS = {
    BLOCK: "nothing keeps the public out",
    OWNERSHIP: "its access lists still count",
    VERSIONING: "what is overwritten is lost",
    POLICY: "it answers without TLS",
}
"""What every bucket of the stack must have, and what it means when it has not."""


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge whether every bucket has its parts."""
    for bucket in stack.of_type(BUCKET):
        for kind, otherwise in PARTS.items():
            if not any(belongs(part, bucket) for part in stack.of_type(kind)):
                yield Violated(f"the bucket has no {kind.rpartition(':')[2]}: {otherwise}", bucket)


def belongs(part: Resource, bucket: Resource) -> bool:
    """Tell whether a part is this bucket's: by its name, or while it has none, because it waits for the bucket."""
    name = at(part.inputs, "bucket")
    return bucket.urn in part.dependencies if name is UNKNOWN else name in (at(bucket.inputs, "bucket"), bucket.id)


def _block(block: Resource) -> Iterator[Answer]:
    for switch in SWITCHES:
        yield from require(at(block.inputs, switch), is_on, switch, f"the public is let in: `{switch}` is not true")


def _ownership(ownership: Resource) -> Iterator[Answer]:
    found = at(ownership.inputs, "rule", "objectOwnership")
    message = f"access lists count: `rule.objectOwnership` is {found!r}, not 'BucketOwnerEnforced'"
    yield from require(found, "BucketOwnerEnforced".__eq__, "rule.objectOwnership", message)


def _versioning(versioning: Resource) -> Iterator[Answer]:
    found = at(versioning.inputs, "versioningConfiguration", "status")
    message = f"what is overwritten is lost: `versioningConfiguration.status` is {found!r}, not 'Enabled'"
    yield from require(found, "Enabled".__eq__, "versioningConfiguration.status", message)


def _policy(policy: Resource) -> Iterator[Answer]:
    document = at(policy.inputs, "policy")
    if document is UNKNOWN:
        yield NotKnown("policy")
        return
    try:
        statements = read(document)
    except MalformedError as error:
        yield Violated(f"`policy`: {error}")
    except UndecidedError as error:
        yield NotKnown(f"policy: {error}")
    else:
        if not any(_refuses_plain_http(statement) for statement in statements):
            yield Violated("it answers without TLS: no statement denies everyone everything without it")


def _refuses_plain_http(statement: Statement) -> bool:
    """Tell whether a statement denies everyone every action on the bucket and in it, if TLS is missing, and no less."""
    resources = [str(resource) for resource in statement.resources]
    inside = [resource for resource in resources if resource.endswith("/*")]
    return (
        not statement.allows
        and not statement.negated
        and statement.actions == ("s3:*",)
        and any(who == "*" for _, who in statement.principals)
        and any(resource.removesuffix("/*") in resources for resource in inside)
        and [(operator, key, str(value).lower()) for operator, key, value in statement.conditions]
        == [("Bool", "aws:SecureTransport", "false")]
    )


_JUDGES = {BLOCK: _block, OWNERSHIP: _ownership, VERSIONING: _versioning, POLICY: _policy}

_ARN = "arn:aws:s3:::bundle"


def _tls_only(**changed: Any) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [_ARN, f"{_ARN}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **changed}]})


_BUCKET = examples.resource(BUCKET, "bundle", bucket="bundle")
_ALL_BLOCKED: dict[str, Any] = dict.fromkeys(SWITCHES, True)
_BLOCK = examples.resource(BLOCK, "block", bucket="bundle", **_ALL_BLOCKED)
_OWNERSHIP = examples.resource(OWNERSHIP, "ownership", bucket="bundle", rule={"objectOwnership": "BucketOwnerEnforced"})
_VERSIONING = examples.resource(
    VERSIONING, "versioning", bucket="bundle", versioningConfiguration={"status": "Enabled"}
)
_POLICY = examples.resource(POLICY, "policy", bucket="bundle", policy=_tls_only())

RULE = Rule(
    id="private-buckets",
    title="Buckets are private, versioned, and answer over TLS alone",
    family="data",
    severity="high",
    why=(
        "A bucket that one access list or one policy opens hands the model's weights to the world, and whoever can "
        "overwrite a bundle decides what runs on the nodes. Without TLS, so does whoever sits on the way."
    ),
    remediation=(
        "No profile field loosens this: give the bucket its access block, ownership controls, versioning and a policy "
        "that denies requests without TLS; then run `deploy plan`."
    ),
    controls=("cis-aws 2.1.1", "cis-aws 2.1.4", "nist AC-3", "iso27001 A.8.3", "soc2 CC6.1"),
    references=(
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
    ),
    good=(
        Example("a bucket with all that belongs to it", (_BUCKET, _BLOCK, _OWNERSHIP, _VERSIONING, _POLICY)),
        Example(
            "parts of a bucket that has no name yet",
            (
                examples.resource(BUCKET, "bundle"),
                *(
                    examples.resource(part.type, part.name, after=(_BUCKET,), **{**part.inputs, "bucket": UNKNOWN})
                    for part in (_BLOCK, _OWNERSHIP, _VERSIONING, _POLICY)
                ),
            ),
        ),
    ),
    bad=(
        Example("a bucket alone", (_BUCKET,)),
        Example(
            "parts of another bucket",
            (examples.resource(BUCKET, "second", bucket="second"), _BLOCK, _OWNERSHIP, _VERSIONING, _POLICY),
        ),
        Example(
            "a policy that makes it public may be put on it",
            (examples.resource(BLOCK, "block", bucket="bundle", blockPublicAcls=True, ignorePublicAcls=True),),
        ),
        Example(
            "whoever writes an object says who may read it",
            (
                examples.resource(
                    OWNERSHIP, "ownership", bucket="bundle", rule={"objectOwnership": "BucketOwnerPreferred"}
                ),
            ),
        ),
        Example(
            "versions that are no longer kept",
            (
                examples.resource(
                    VERSIONING, "versioning", bucket="bundle", versioningConfiguration={"status": "Suspended"}
                ),
            ),
        ),
        Example(
            "plain HTTP is denied for one action only",
            (examples.resource(POLICY, "policy", bucket="bundle", policy=_tls_only(Action="s3:PutObject")),),
        ),
        Example(
            "plain HTTP is denied inside of the bucket only",
            (examples.resource(POLICY, "policy", bucket="bundle", policy=_tls_only(Resource=f"{_ARN}/*")),),
        ),
    ),
    on_resource=by_type(_JUDGES),
    on_stack=on_stack,
)
