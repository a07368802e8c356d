"""Whatever is written to a disk or a log is encrypted with a key of the customer's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_on, is_set, require

KEY = "aws:kms/key:Key"
INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
KEYED = {
    "aws:cloudwatch/logGroup:LogGroup": ("the log group", "kmsKeyId"),
    "aws:secretsmanager/secret:Secret": ("the secret", "kmsKeyId"),
}
"""Types that take a key in one property: what they are, and the property."""

ROOT_DEVICES = ("/dev/sda1", "/dev/xvda")
"""Root devices of Ubuntu and of Amazon Linux images; a mapping of another name leaves the root as the image has it."""


BUCKET = "aws:s3/bucket:Bucket"
BUCKET_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge whether every bucket says with which key: S3 encrypts by itself, with a key of its own."""
    for bucket in stack.of_type(BUCKET):
        named = (at(bucket.inputs, "bucket"), bucket.id)
        if not any(
            bucket.urn in part.dependencies or at(part.inputs, "bucket") in named
            for part in stack.of_type(BUCKET_ENCRYPTION)
        ):
            yield Violated("the bucket is not encrypted with a key of the customer's", bucket)


def _customer_key(resource: Resource, key: Any, path: str, what: str) -> Iterator[Answer]:
    if key is UNKNOWN:
        # A key of this stack has no id yet, but that it will be the one is known already.
        if not any(f"{KEY}::" in urn for urn in resource.dependencies):
            yield NotKnown(path)
    elif not key:
        yield Violated(f"{what} is not encrypted with a key of the customer's (`{path}` is missing)")
    elif "alias/aws/" in key:
        yield Violated(f"{what} is encrypted with a key that AWS manages ({key}), not the customer")


def _keyed(resource: Resource) -> Iterator[Answer]:
    what, name = KEYED[resource.type]
    return _customer_key(resource, at(resource.inputs, name), name, what)


def _lone_volume(volume: Resource) -> Iterator[Answer]:
    return _volume(volume, volume.inputs, "", "the volume")


def _parameter(parameter: Resource) -> Iterator[Answer]:
    if at(parameter.inputs, "type") not in ("String", "StringList"):  # which hold nothing secret
        yield from _customer_key(parameter, at(parameter.inputs, "keyId"), "keyId", "the parameter")


def _volume(resource: Resource, volume: Any, prefix: str, what: str) -> Iterator[Answer]:
    if volume is UNKNOWN:
        yield NotKnown(prefix.rstrip("."))
        return
    encrypted = at(volume, "encrypted")
    yield from require(encrypted, is_on, f"{prefix}encrypted", f"{what} is not encrypted (`{prefix}encrypted`)")
    yield from _customer_key(resource, at(volume, "kmsKeyId"), f"{prefix}kmsKeyId", what)


def _mappings(template: Resource) -> Iterator[Answer]:
    names = []
    for path, mapping in each(template.inputs, "blockDeviceMappings"):
        name = at(mapping, "deviceName")
        if is_set(at(mapping, "ebs")):
            names.append(name)
            yield from _volume(template, at(mapping, "ebs"), f"{path}.ebs.", f"disk {name}")
    if UNKNOWN not in names and not any(name in ROOT_DEVICES for name in names):
        yield Violated("no mapping names the root disk, so it is as the machine image has it: not encrypted")


def _disks(instance: Resource) -> Iterator[Answer]:
    root = at(instance.inputs, "rootBlockDevice")
    if is_set(root) or not is_set(at(instance.inputs, "launchTemplate")):
        yield from _volume(instance, root, "rootBlockDevice.", "the root disk")
    for path, disk in each(instance.inputs, "ebsBlockDevices"):
        yield from _volume(instance, disk, f"{path}.", f"disk {at(disk, 'deviceName')}")


def _key(key: Resource) -> Iterator[Answer]:
    message = "the key is never rotated (`enableKeyRotation` is not true)"
    if at(key.inputs, "customerMasterKeySpec") in (None, UNKNOWN, "SYMMETRIC_DEFAULT"):  # KMS rotates no other kind
        yield from require(at(key.inputs, "enableKeyRotation"), is_on, "enableKeyRotation", message)


def _bucket(encryption: Resource) -> Iterator[Answer]:
    rules = list(each(encryption.inputs, "rules"))
    if not rules:
        yield Violated("the bucket is not encrypted with a key of the customer's (`rules` is empty)")
    for path, rule in rules:
        prefix = f"{path}.applyServerSideEncryptionByDefault"
        default = at(rule, "applyServerSideEncryptionByDefault")
        how, message = at(default, "sseAlgorithm"), f"the bucket is encrypted by S3 (`{prefix}.sseAlgorithm`)"
        yield from require(how, ("aws:kms", "aws:kms:dsse").__contains__, f"{prefix}.sseAlgorithm", message)
        yield from _customer_key(encryption, at(default, "kmsMasterKeyId"), f"{prefix}.kmsMasterKeyId", "the bucket")


def _flow_log(flow_log: Resource) -> Iterator[Answer]:
    kind = at(flow_log.inputs, "logDestinationType")
    message = "traffic is recorded outside of the stack's log groups, where no rule looks (`logDestinationType`)"
    yield from require(kind, (None, "cloud-watch-logs").__contains__, "logDestinationType", message)


_JUDGES = {
    **dict.fromkeys(KEYED, _keyed),
    KEY: _key,
    INSTANCE: _disks,
    LAUNCH_TEMPLATE: _mappings,
    "aws:ebs/volume:Volume": _lone_volume,
    "aws:ssm/parameter:Parameter": _parameter,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    BUCKET_ENCRYPTION: _bucket,
}

_KEY = examples.resource(KEY, "main", enableKeyRotation=True)


def _disk(**ebs: Any) -> list[dict[str, Any]]:
    return [{"deviceName": "/dev/sda1", "ebs": {"encrypted": "true", "kmsKeyId": UNKNOWN, **ebs}}]


def _bundle(how: str, **default: Any) -> Resource:
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": how, **default}}
    return examples.resource(BUCKET_ENCRYPTION, "bundle", after=(_KEY,), bucket="bundle", rules=[rule])


RULE = Rule(
    id="encrypted-at-rest",
    title="Disks, logs and keys are the customer's own",
    family="encryption",
    severity="high",
    why=(
        "A snapshot that is shared by mistake, or a disk that is read elsewhere, shows prompts, answers and weights to "
        "whoever holds it. With a key of the customer's own it shows nothing, and each use of the key is recorded."
    ),
    remediation=(
        "No profile field loosens this: give the disk, log group or secret the stack's key (`kmsKeyId`), and the key "
        "`enableKeyRotation`; then run `deploy plan`. The size of the root disk stays in `aws.root_volume_gib`."
    ),
    controls=(
        "cis-aws 5.1.1",
        "cis-aws 3.6",
        "nist SC-28",
        "nist SC-12",
        "iso27001 A.8.24",
        "soc2 CC6.1",
        "gdpr Art. 32",
        "nis2 Art. 21(2)(h)",
    ),
    references=(
        "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
        "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html",
    ),
    good=(
        Example(
            "a root disk with the stack's key, which rotates",
            (
                _KEY,
                examples.resource(LAUNCH_TEMPLATE, "node", after=(_KEY,), blockDeviceMappings=_disk()),
            ),
        ),
        Example(
            "a log group with the stack's key",
            (
                _KEY,
                examples.resource("aws:cloudwatch/logGroup:LogGroup", "flow", after=(_KEY,), kmsKeyId=UNKNOWN),
            ),
        ),
        Example(
            "a bucket with the stack's key",
            (
                _KEY,
                examples.resource(BUCKET, "bundle", bucket="bundle"),
                _bundle("aws:kms", kmsMasterKeyId=UNKNOWN),
            ),
        ),
        Example(
            "a key that the customer brings",
            (
                examples.resource(
                    "aws:cloudwatch/logGroup:LogGroup",
                    "flow",
                    kmsKeyId="arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                ),
            ),
        ),
    ),
    bad=(
        Example(
            "a root disk in the clear",
            (
                _KEY,
                examples.resource(LAUNCH_TEMPLATE, "node", after=(_KEY,), blockDeviceMappings=_disk(encrypted="false")),
            ),
        ),
        Example(
            "a root disk with the key of AWS",
            (examples.resource(LAUNCH_TEMPLATE, "node", blockDeviceMappings=_disk(kmsKeyId="alias/aws/ebs")),),
        ),
        Example("a root disk that nobody mentions", (examples.resource(LAUNCH_TEMPLATE, "node"),)),
        Example("a log group without a key", (examples.resource("aws:cloudwatch/logGroup:LogGroup", "flow"),)),
        Example("a bucket that S3 encrypts as it likes", (examples.resource(BUCKET, "bundle", bucket="bundle"),)),
        Example("a bucket with a key of S3's", (_KEY, _bundle("AES256"))),
        Example("a bucket with the account's key for S3", (_KEY, _bundle("aws:kms"))),
        Example("a key that never rotates", (examples.resource(KEY, "main"),)),
    ),
    on_resource=by_type(_JUDGES),
    on_stack=on_stack,
)
