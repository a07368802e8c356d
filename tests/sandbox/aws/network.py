"""A VPC with a subnet, made with plain boto3, and taken away with everything in it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ZONE = "us-east-2a"


def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.01)


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def refused(call: Any, code: str, /, **arguments: Any) -> None:
    """Make a call that the account must refuse with this code."""
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    assert code_of(refusal.value) == code


class Network:
    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        self.name = f"net-{uuid.uuid4().hex[:8]}"
        self.tags = [{"Key": "cloister:stack", "Value": self.name}]
        self.vpc_id: str = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet_id = self.subnet("10.0.1.0/24", ZONE)

    def subnet(self, cidr: str, zone: str) -> str:
        made = self.ec2.create_subnet(VpcId=self.vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
        return str(made["Subnet"]["SubnetId"])

    def group(self, name: str = "group") -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc_id)["GroupId"])

    def tagged(self, kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": self.tags}]

    def interfaces(self) -> list[dict[str, Any]]:
        filters = [{"Name": "vpc-id", "Values": [self.vpc_id]}]
        return list(self.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"])

    def of_vpc(self) -> list[dict[str, Any]]:
        return [{"Name": "vpc-id", "Values": [self.vpc_id]}]

    def clear(self, forward: Callable[..., None] | None = None) -> None:
        """Remove everything in the VPC, and the VPC; `forward` moves a clock that stands still."""
        ec2, of_vpc = self.ec2, self.of_vpc()
        self._terminate()
        for one in ec2.describe_instance_connect_endpoints(Filters=of_vpc)["InstanceConnectEndpoints"]:
            ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=one["InstanceConnectEndpointId"])
        endpoints = [one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints(Filters=of_vpc)["VpcEndpoints"]]
        if endpoints:
            ec2.delete_vpc_endpoints(VpcEndpointIds=endpoints)
        if forward is not None:
            forward(seconds=1)
        until(lambda: not self.interfaces())
        for subnet in ec2.describe_subnets(Filters=of_vpc)["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        groups = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
        for group in [one for one in groups if one["GroupName"] != "default"]:
            ec2.delete_security_group(GroupId=group["GroupId"])
        until(self._vpc_deleted)

    def _terminate(self) -> None:
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=self.of_vpc())
        instances = [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
        for instance_id in instances:
            self.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
        if instances:
            self.ec2.terminate_instances(InstanceIds=instances)

    def _vpc_deleted(self) -> bool:
        try:
            self.ec2.delete_vpc(VpcId=self.vpc_id)
        except ClientError as error:
            if code_of(error) == "DependencyViolation":
                return False
            raise
        return True
