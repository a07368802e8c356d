"""ARNs that are known before what they name exists, in the partition that the account lies in."""

from __future__ import annotations

from planner.logs import log_group
from planner.plan import Plan
from planner.secrets import secret_id
from stacks.account import Account


def bundle_bucket(plan: Plan, account: Account) -> str:
    """Return the bucket's name; the account's number makes it this customer's, as names are the whole world's."""
    return f"cloister-{plan.stack}-{account.id}"


def bundle_arn(plan: Plan, account: Account) -> str:
    """Return the ARN of the bundle's bucket."""
    return f"arn:{account.partition}:s3:::{bundle_bucket(plan, account)}"


def log_groups(plan: Plan, account: Account) -> str:
    """Return the pattern of all log groups of the stack, as CloudWatch Logs tells it to KMS."""
    return f"arn:{account.partition}:logs:{account.region}:{account.id}:log-group:{log_group(plan.stack, '*')}"


def log_streams(plan: Plan, account: Account) -> list[str]:
    """Return the streams that hosts write: any of the groups that the plan names for them, and of no other."""
    prefix = f"arn:{account.partition}:logs:{account.region}:{account.id}:log-group"
    return [f"{prefix}:{log_group(plan.stack, source.name)}:log-stream:*" for source in plan.logs.sources]


def host_secrets(plan: Plan, account: Account) -> list[str]:
    """Return the secrets that hosts read; Secrets Manager adds a hyphen and six characters to each name."""
    prefix = f"arn:{account.partition}:secretsmanager:{account.region}:{account.id}:secret"
    return [f"{prefix}:{secret_id(plan.stack, one.name)}-??????" for one in plan.secrets if one.on_hosts]


def via_services(account: Account, *services: str) -> list[str]:
    """Return the names by which KMS knows services that use a key for somebody (`kms:ViaService`)."""
    return [f"{service}.{account.region}.{account.dns_suffix}" for service in services]
