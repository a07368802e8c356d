"""The stack's own encryption key."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from planner.bundle import key_alias
from planner.plan import Plan
from stacks.account import Account
from stacks.arns import log_groups, via_services
from stacks.naming import child_of, tags_of

DELETION_DAYS = 7
"""The shortest time that KMS keeps a key which is to be deleted."""


class Keys(pulumi.ComponentResource):
    """A customer key: rotated, and usable by nobody whom its policy does not name."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, plan: Plan, account: Account) -> None:
        super().__init__("cloister:aws:Keys", name)
        key = aws.kms.Key(
            f"{name}-key",
            description=f"Disks, logs and secrets of stack {plan.stack}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=json.dumps(key_policy(account, plan)),
            tags=tags_of(plan, f"{name}-key"),
            opts=child_of(self),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=key_alias(plan.stack),
            target_key_id=key.key_id,
            opts=child_of(self, one_at_a_time=True),
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
"""What manages a key and opens nothing: without it nobody could manage the key ever again."""

_USE = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


def key_policy(account: Account, plan: Plan) -> dict[str, object]:
    """Return who may do what with the key.

    What is said of the account's root is a permission to delegate: the account's own IAM policies say to whom. Nobody
    opens anything with the key itself, only by way of the services that hold what it encrypts.
    With a deadline, Auto Scaling starts the node and its disk; spot machines are started by EC2's service for them.
    """
    root = {"AWS": f"arn:{account.partition}:iam::{account.id}:root"}
    disks = {"StringEquals": {"kms:ViaService": via_services(account, "ec2")}}

    def allow(sid: str, principal: dict[str, str], actions: Sequence[str], condition: object = None) -> object:
        statement = {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
        return {**statement, "Condition": condition} if condition else statement

    stored = {"StringEquals": {"kms:ViaService": via_services(account, "ec2", "s3", "secretsmanager")}}
    own_logs = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups(plan, account)}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("Administration", root, _ADMINISTRATION),
            allow("DisksBucketAndSecrets", root, _USE, stored),
            # EC2 keeps using the key for a disk while the machine runs, and asks for no more than that.
            allow("DisksInUse", root, ["kms:CreateGrant"], {**disks, "Bool": {"kms:GrantIsForAWSResource": "true"}}),
            allow(
                "LogsOfThisStack",
                {"Service": f"logs.{account.region}.{account.dns_suffix}"},
                _LOGS,
                own_logs,
            ),
            *(_started_by("AutoScaling", _AUTO_SCALING, account) if plan.deadline else ()),
            *(_started_by("Spot", _SPOT, account) if any(node.capacity == "spot" for node in plan.nodes) else ()),
        ],
    }


_LOGS = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What CloudWatch Logs does with a log group's key (its user guide, "Encrypt log data using AWS KMS")."""

_AUTO_SCALING = "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
"""Auto Scaling user guide, "Required AWS KMS key policy for use with encrypted volumes"."""
_SPOT = "spot.amazonaws.com/AWSServiceRoleForEC2Spot"
"""EC2 user guide, "Service-linked role for Spot Instance requests", on customer managed keys."""


def _started_by(who: str, name: str, account: Account) -> list[dict[str, object]]:
    """Return what a service that starts machines in its own name needs for their encrypted disks.

    Its role is named by a condition and not as a principal: KMS refuses a policy that names a role which does not exist
    yet, and AWS makes these with the account's first group or spot request.
    """
    role = f"arn:{account.partition}:iam::{account.id}:role/aws-service-role/{name}"
    its_role: dict[str, dict[str, str]] = {
        "StringEquals": {"kms:CallerAccount": account.id},
        "ArnEquals": {"aws:PrincipalArn": role},
    }
    disks = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]

    def allow(sid: str, actions: list[str], condition: dict[str, dict[str, str]]) -> dict[str, object]:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": "*",
            "Condition": condition,
        }

    return [
        allow(f"DisksOf{who}", disks, its_role),
        allow(f"GrantsOf{who}", ["kms:CreateGrant"], {**its_role, "Bool": {"kms:GrantIsForAWSResource": "true"}}),
    ]
