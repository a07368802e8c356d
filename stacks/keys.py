"""The stack's own encryption key."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from planner.bundle import key_alias
from planner.plan import Plan
from stacks.account import Account
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


def key_policy(account: Account, plan: Plan) -> dict[str, object]:
    """Return who may do what with the key.

    The account's administrators may manage it (without that statement nobody could ever again), CloudWatch Logs may use
    it for the stack's own log groups. Use by the node comes from the node's role.
    """
    logs = f"arn:{account.partition}:logs:{account.region}:{account.id}:log-group:/cloister/{plan.stack}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Administration",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{account.partition}:iam::{account.id}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "LogsOfThisStack",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{account.region}.amazonaws.com"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
            },
        ],
    }
