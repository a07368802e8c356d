"""What may pass through each private way to AWS: this account's calls, about this stack's things, and nothing else.

So nothing is carried to another account, whoever's credentials are used, and no other thing of this account's is
reached. No bucket of AWS's own is let through: nodes install from the bundle alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from planner.plan import Plan
from stacks.account import Account
from stacks.arns import bundle_arn, host_secrets, log_streams


def bundle_only(plan: Plan, account: Account) -> dict[str, object]:
    """Return the policy of S3's endpoint: the bundle is read, nothing is written, and no other bucket is reached."""
    bundle = bundle_arn(plan, account)
    return _allow("ReadBundle", account, ["s3:GetObject", "s3:ListBucket"], [bundle, f"{bundle}/*"])


def interface_policy(service: str, plan: Plan, account: Account, key_arn: str = "") -> dict[str, object]:
    """Return the policy of an interface endpoint.

    Args:
        service: as the plan names it.
        plan: whose things may be reached.
        account: whose callers may reach them.
        key_arn: the stack's key, for KMS.

    Raises:
        KeyError: nobody said what nodes ask of this service.

    """
    calls: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
        "kms": ("OwnKey", ["kms:Decrypt"], [key_arn]),
        "logs": ("AddRecords", ["logs:CreateLogStream", "logs:PutLogEvents"], log_streams(plan, account)),
        "secretsmanager": ("OwnSecrets", ["secretsmanager:GetSecretValue"], host_secrets(plan, account)),
        # The call names no resource: it tells the caller who it is, and nothing else.
        "sts": ("WhoAmI", ["sts:GetCallerIdentity"], ["*"]),
    }
    sid, actions, resources = calls[service]
    return _allow(sid, account, actions, resources)


def _allow(sid: str, account: Account, actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
    own = {"aws:PrincipalAccount": account.id}
    if "*" not in resources:
        own["aws:ResourceAccount"] = account.id
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions),
        "Resource": list(resources),
        "Condition": {"StringEquals": own},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
