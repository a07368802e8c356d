"""What an account may run: zones that offer a type, and the quota of vCPUs that its family falls under."""

from __future__ import annotations

import re

import msgspec

from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError
from planner.plan import NodePlan


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on vCPUs: all running instances of its families together."""

    code: str
    title: str


_P = Quota(code="L-417A185B", title="Running On-Demand P instances")
_G = Quota(code="L-DB2E81BA", title="Running On-Demand G and VT instances")
_STANDARD = Quota(code="L-1216C47A", title="Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances")
_SPOT_P4 = Quota(code="L-7212CCBC", title="All P4, P3 and P2 Spot Instance Requests")
_SPOT_P5 = Quota(code="L-C4BD4855", title="All P5 Spot Instance Requests")
_SPOT_G = Quota(code="L-3819A6DF", title="All G and VT Spot Instance Requests")
_SPOT_STANDARD = Quota(code="L-34B43A08", title="All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests")

_CLASSES: tuple[tuple[str, Quota, Quota | None], ...] = (
    (r"p[234]", _P, _SPOT_P4),
    (r"p5", _P, _SPOT_P5),
    (r"p\d", _P, None),
    (r"g\d|vt\d", _G, _SPOT_G),
    (r"[acdhimrtz]\d|im\d|is\d", _STANDARD, _SPOT_STANDARD),
)
"""Beginning of the instance type -> quota on demand, and of spot where its code is known (Service Quotas, EC2)."""


class QuotaUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a quota is taken.

    Attributes:
        limit: vCPUs that may run.
        running: vCPUs that do.
        wanted: vCPUs of the nodes that are to be launched.
        console: where a higher limit is asked for.

    """

    quota: Quota
    limit: int
    running: int
    wanted: int
    console: str


def quota_of(instance_type: str, *, spot: bool) -> Quota | None:
    """Return the quota that an instance type falls under; None where it is not known."""
    for pattern, on_demand, of_spot in _CLASSES:
        if re.match(pattern, instance_type):
            return of_spot if spot else on_demand
    return None


def check_offered(session: AwsSession, instance_type: str, zones: tuple[str, ...]) -> None:
    """Refuse zones that do not offer a type today.

    Raises:
        DeployError: at least one of them does not.

    """
    with told("ec2:DescribeInstanceTypeOfferings", session.region):
        pages = session.ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [instance_type]}]
        )
        offering = sorted(one["Location"] for page in pages for one in page["InstanceTypeOfferings"])
    missing = sorted(set(zones) - set(offering))
    if missing:
        where = f"Zones that do: {', '.join(offering)}; name one as `aws.zone`." if offering else "No zone does."
        raise DeployError(
            f"{instance_type} is not offered in {', '.join(missing)}",
            hint=f"{where} Each account has its own names for zones.",
            code="not_offered",
        )


def check_quota(session: AwsSession, nodes: tuple[NodePlan, ...]) -> QuotaUse | None:
    """Refuse nodes that the account's limit on vCPUs does not leave room for.

    Nodes in a reservation or Capacity Block take nothing of it when they are launched.

    Args:
        session: of the plan's region.
        nodes: those that are still to be launched, all of one type.

    Returns:
        What is taken; None where no limit is known to apply.

    Raises:
        DeployError: the limit is too low; the message names the quota's code and where to raise it.

    """
    if not nodes or nodes[0].capacity not in {"on-demand", "spot"}:
        return None
    instance_type, spot = nodes[0].instance_type, nodes[0].capacity == "spot"
    quota = quota_of(instance_type, spot=spot)
    if quota is None:
        return None
    with told("servicequotas:GetServiceQuota", session.region):
        limit = int(session.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)["Quota"]["Value"])
    running = _running_types(session, quota, spot=spot)
    vcpus = _vcpus(session, {instance_type, *running})
    use = QuotaUse(
        quota=quota,
        limit=limit,
        running=sum(vcpus[each] for each in running),
        wanted=vcpus[instance_type] * len(nodes),
        console=f"https://{session.region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{quota.code}",
    )
    if use.running + use.wanted > use.limit:
        raise DeployError(
            f"{len(nodes)} x {instance_type} take {use.wanted} vCPUs; the quota {quota.code} ({quota.title}) is "
            f"{use.limit} in {session.region}, and {use.running} are in use",
            hint=f"Ask for at least {use.running + use.wanted}: Service Quotas > AWS services > Amazon Elastic Compute "
            f"Cloud (Amazon EC2) > {quota.title} > Request increase at account level ({use.console}). AWS takes hours "
            "to days to answer.",
            code="quota_too_low",
        )
    return use


def _running_types(session: AwsSession, quota: Quota, *, spot: bool) -> list[str]:
    """Return the type of every instance that counts against a quota, one entry each."""
    with told("ec2:DescribeInstances", session.region):
        pages = session.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        )
        there = [one for page in pages for made in page["Reservations"] for one in made["Instances"]]
    lifecycle = "spot" if spot else None
    return [
        str(one["InstanceType"])
        for one in there
        if one.get("InstanceLifecycle") == lifecycle and quota_of(one["InstanceType"], spot=spot) == quota
    ]


def _vcpus(session: AwsSession, instance_types: set[str]) -> dict[str, int]:
    with told("ec2:DescribeInstanceTypes", session.region):
        pages = session.ec2.get_paginator("describe_instance_types").paginate(
            Filters=[{"Name": "instance-type", "Values": sorted(instance_types)}]
        )
        return {
            str(one["InstanceType"]): one["VCpuInfo"]["DefaultVCpus"] for page in pages for one in page["InstanceTypes"]
        }
