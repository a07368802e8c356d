"""What was deleted from a bucket is gone one day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from planner.resources import Resource
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Stack, Violated
from policies.values import at, each

BUCKET = "aws:s3/bucket:Bucket"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LONGEST_DAYS = 365


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    if not 0 < plan.storage.old_versions_days <= LONGEST_DAYS:
        yield Violated(f"versions that were replaced are kept for {plan.storage.old_versions_days} days")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge whether every bucket forgets old versions and unfinished uploads."""
    for bucket in stack.of_type(BUCKET):
        named = {at(bucket.inputs, "bucket"), bucket.id} - {None, ""}
        mine = [
            one
            for one in stack.of_type(LIFECYCLE)
            if bucket.urn in one.dependencies or at(one.inputs, "bucket") in named
        ]
        rules = [rule for one in mine for _, rule in each(one.inputs, "rules") if at(rule, "status") == "Enabled"]
        if not any(_days(rule, "noncurrentVersionExpiration", "noncurrentDays") for rule in rules):
            yield Violated("versions that were deleted or replaced are kept for ever", bucket)
        if not any(_days(rule, "abortIncompleteMultipartUpload", "daysAfterInitiation") for rule in rules):
            yield Violated("parts of uploads that were never finished are kept, and paid for, for ever", bucket)


def _days(rule: Any, section: str, name: str) -> bool:
    days = at(rule, section, name)
    return isinstance(days, int) and 0 < days <= LONGEST_DAYS


_BUCKET = examples.resource(BUCKET, "bundle", bucket="bundle")


def _kept(**changes: Any) -> tuple[Resource, ...]:
    rule = {
        "status": "Enabled",
        "noncurrentVersionExpiration": {"noncurrentDays": 30},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
        **changes,
    }
    return _BUCKET, examples.resource(LIFECYCLE, "bundle", bucket="bundle", rules=[rule])


RULE = Rule(
    id="old-versions-end",
    title="Old versions in buckets end",
    family="data",
    severity="medium",
    why=(
        "In a bucket with versions nothing is ever deleted: what was put there by mistake is read by whoever may list "
        "versions. Unfinished uploads are shown in no listing at all."
    ),
    remediation=(
        "Give the bucket a lifecycle rule for old versions and unfinished uploads; `deploy plan` shows the verdict."
    ),
    controls=("nist SI-12", "nist MP-6", "iso27001 A.8.10", "soc2 C1.2", "gdpr Art. 5(1)(e)"),
    references=("https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html",),
    good=(
        Example("a month, and a week for uploads", _kept()),
        Example("a stack without buckets", plan=examples.plan()),
    ),
    bad=(
        Example("no rule", (_BUCKET,)),
        Example("a rule that is off", _kept(status="Disabled")),
        Example("old versions for ever", _kept(noncurrentVersionExpiration=None)),
        Example("unfinished uploads for ever", _kept(abortIncompleteMultipartUpload=None)),
        Example("ten years, in the plan", plan=examples.changed(storage={"old_versions_days": 3650})),
    ),
    on_plan=where(lambda plan: plan.target != "metal", on_plan),
    on_stack=on_stack,
)
