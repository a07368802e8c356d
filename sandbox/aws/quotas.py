"""The EC2 quotas that say how many GPU instances may run. moto knows those of VPC alone."""

from __future__ import annotations

import re
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError
from sandbox.aws.region import Region

VCPUS = {
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 256),
    "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 256),
    "L-417A185B": ("Running On-Demand P instances", 768),
    "L-7212CCBC": ("All P4, P3 and P2 Spot Instance Requests", 0),
    "L-C4BD4855": ("All P5 Spot Instance Requests", 0),
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 192),
    "L-3819A6DF": ("All G and VT Spot Instance Requests", 0),
}
"""Quota code -> name, and this account's limit in vCPUs (768 are four p5-sized nodes)."""


_CODE_OF_FAMILY = {"p": "L-417A185B", "g": "L-DB2E81BA", "vt": "L-DB2E81BA"}


def _vcpus(region: Region, instance_type: str) -> int:
    return int(region.ec2.describe_instance_types([instance_type])[0]["VCpuInfo"]["DefaultVCpus"])


def _code(instance_type: str) -> str:
    family = re.match(r"[a-z]+", instance_type)
    return _CODE_OF_FAMILY.get(family[0] if family else "", "L-1216C47A")


def check_vcpus(region: Region, instance_type: str, count: int) -> None:
    """Refuse a launch on demand that goes beyond the account's limit for its kind.

    Raises:
        AwsError: `VcpuLimitExceeded`.

    """
    code = _code(instance_type)
    running = sum(
        _vcpus(region, instance.instance_type)
        for instance in region.live_instances()
        if instance.lifecycle is None and _code(instance.instance_type) == code
    )
    limit = VCPUS[code][1]
    if running + count * _vcpus(region, instance_type) > limit:
        raise AwsError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance "
            "bucket that the specified instance type belongs to.",
        )


def _describe(call: Call, code: str) -> dict[str, Any]:
    name, vcpus = VCPUS[code]
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:{call.region.ec2.partition}:servicequotas:{call.region.name}:{ACCOUNT_ID}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(vcpus),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _get(call: Call) -> object:
    code = call.parameters["QuotaCode"]
    if call.parameters["ServiceCode"] != "ec2" or code not in VCPUS:
        return call.forward()
    return {"Quota": _describe(call, code)}


def _list(call: Call) -> object:
    if call.parameters["ServiceCode"] != "ec2":
        return call.forward()
    return {"Quotas": [_describe(call, code) for code in VCPUS]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("servicequotas", "GetServiceQuota"): _get,
    ("servicequotas", "ListServiceQuotas"): _list,
}
