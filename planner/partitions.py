"""AWS's partitions: regions that share accounts, and begin their ARNs alike."""

from __future__ import annotations

import msgspec


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One of AWS's worlds.

    Attributes:
        name: second part of its ARNs.
        dns_suffix: end of its services' names.
        budgets: it has AWS Budgets. GovCloud has none: its accounts are billed through those that stand behind them.

    """

    name: str
    dns_suffix: str
    budgets: bool = True


_PUBLIC = Partition(name="aws", dns_suffix="amazonaws.com")
_BY_REGION = {
    "cn-": Partition(name="aws-cn", dns_suffix="amazonaws.com.cn"),
    "us-gov-": Partition(name="aws-us-gov", dns_suffix="amazonaws.com", budgets=False),
}
"""By the beginning of a region's name (botocore, `partitions.json` and `endpoints.json`)."""

_OWN_PREFIX = {"aws-cn": frozenset({"ec2", "ecr.api", "ecr.dkr", "monitoring", "sts"})}
"""Services whose interface endpoints are called `cn.com.amazonaws...` there, of those that a plan may name.

From what DescribeVpcEndpointServices lists in cn-north-1 and cn-northwest-1, as AWS CDK's `vpc-endpoint.ts` has it;
kms, logs, secretsmanager and ssm have the usual name there.
"""


def partition_of(region: str) -> Partition:
    """Return the partition that a region lies in."""
    return next((partition for start, partition in _BY_REGION.items() if region.startswith(start)), _PUBLIC)


def endpoint_service(service: str, region: str, *, gateway: bool = False) -> str:
    """Return the name by which a VPC endpoint asks for one of AWS's services.

    Args:
        service: as plans name it, for example `kms`.
        region: where.
        gateway: the endpoint is a route, not an interface: those have the usual name everywhere.

    """
    own = not gateway and service in _OWN_PREFIX.get(partition_of(region).name, ())
    return f"{'cn.' if own else ''}com.amazonaws.{region}.{service}"
