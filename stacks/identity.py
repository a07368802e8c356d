"""What a node is allowed to do in the account."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from planner.plan import Plan
from stacks.account import Account
from stacks.arns import bundle_arn, host_secrets, log_streams, via_services
from stacks.naming import child_of, role_name, tags_of


class Identity(pulumi.ComponentResource):
    """The node's role: its own logs, its own secrets, its own key, the bundle to read, and nothing else."""

    instance_profile_name: pulumi.Output[str]

    def __init__(self, name: str, plan: Plan, account: Account, key_arn: pulumi.Output[str]) -> None:
        super().__init__("cloister:aws:Identity", name)
        role = aws.iam.Role(
            f"{name}-role",
            name=role_name(plan, "node"),
            assume_role_policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": f"ec2.{account.dns_suffix}"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
            permissions_boundary=plan.account.permission_boundary or None,
            tags=tags_of(plan, f"{name}-role"),
            opts=child_of(self, one_at_a_time=True),
        )
        aws.iam.RolePolicy(
            f"{name}-policy",
            name="node",
            role=role.id,
            policy=key_arn.apply(lambda arn: json.dumps(node_policy(plan, account, arn))),
            opts=child_of(self, one_at_a_time=True),
        )
        profile = aws.iam.InstanceProfile(
            f"{name}-profile",
            name=role_name(plan, "node"),
            role=role.name,
            tags=tags_of(plan, f"{name}-profile"),
            opts=child_of(self, one_at_a_time=True),
        )
        self.instance_profile_name = profile.name
        self.register_outputs({"instance_profile_name": self.instance_profile_name})


def node_policy(plan: Plan, account: Account, key_arn: str) -> dict[str, object]:
    """Return the node's permissions: named actions on the stack's own resources.

    Records can be added to the groups that hosts write, and neither read nor deleted; flow logs are beyond reach. The
    key opens what the bucket and the secret store hold, through them alone.
    """
    bundle = bundle_arn(plan, account)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AddRecords",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": log_streams(plan, account),
            },
            {
                "Sid": "OwnSecrets",
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": host_secrets(plan, account),
            },
            {"Sid": "ReadBundle", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"{bundle}/*"},
            {"Sid": "ListBundle", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bundle},
            {
                "Sid": "OwnKey",
                "Effect": "Allow",
                "Action": ["kms:Decrypt"],
                "Resource": key_arn,
                "Condition": {"StringEquals": {"kms:ViaService": via_services(account, "s3", "secretsmanager")}},
            },
        ],
    }
