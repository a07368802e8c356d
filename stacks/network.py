"""A network without a way to the internet, or from it."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from planner.logs import log_group
from planner.plan import Plan, SubnetPlan
from stacks.account import Account
from stacks.naming import child_of, role_name, tags_of


class Network(pulumi.ComponentResource):
    """VPC, private subnets with local routes only, the emptied default group, and a record of every flow.

    There is no internet gateway, no NAT and no public address: not here, and nowhere else in the program.
    """

    vpc_id: pulumi.Output[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    """By the subnet's name in the plan."""
    route_table_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, plan: Plan, account: Account, key_arn: pulumi.Output[str]) -> None:
        super().__init__("cloister:aws:Network", name)
        self._name, self._plan = name, plan
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=plan.network.vpc_cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # private DNS of the endpoints needs both
            tags=tags_of(plan, f"{name}-vpc"),
            opts=child_of(self),
        )
        self.vpc_id = vpc.id
        # Whatever is launched without a group gets this one: it must lead nowhere.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default-group",
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=tags_of(plan, f"{name}-default-group"),
            opts=child_of(self),
        )
        self.subnet_ids, self.route_table_ids = {}, []
        for subnet in plan.network.subnets:
            self._subnet(subnet)
        self._flow_log(account, key_arn)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _subnet(self, planned: SubnetPlan) -> None:
        name = f"{self._name}-{planned.name}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            cidr_block=planned.cidr,
            availability_zone=planned.zone,
            map_public_ip_on_launch=False,
            tags=tags_of(self._plan, name),
            opts=child_of(self, one_at_a_time=True),
        )
        table = aws.ec2.RouteTable(
            f"{name}-routes",
            vpc_id=self.vpc_id,
            routes=[],  # the VPC's own range is routed by itself; there is nowhere else to go
            tags=tags_of(self._plan, f"{name}-routes"),
            opts=child_of(self),
        )
        aws.ec2.RouteTableAssociation(
            f"{name}-association", subnet_id=subnet.id, route_table_id=table.id, opts=child_of(self, one_at_a_time=True)
        )
        self.subnet_ids[planned.name] = subnet.id
        self.route_table_ids.append(table.id)

    def _flow_log(self, account: Account, key_arn: pulumi.Output[str]) -> None:
        """Record who talked to whom, encrypted with the stack's key."""
        name, plan = self._name, self._plan
        group = aws.cloudwatch.LogGroup(
            f"{name}-flows",
            name=log_group(plan.stack, "flows"),
            kms_key_id=key_arn,
            retention_in_days=plan.logs.retention_days,
            tags=tags_of(plan, f"{name}-flows"),
            opts=child_of(self, one_at_a_time=True),
        )
        role = aws.iam.Role(
            f"{name}-flow-role",
            name=role_name(plan, "flows"),
            assume_role_policy=json.dumps(_assumed_by("vpc-flow-logs.amazonaws.com", account)),
            permissions_boundary=plan.account.permission_boundary or None,
            tags=tags_of(plan, f"{name}-flow-role"),
            opts=child_of(self, one_at_a_time=True),
        )
        aws.iam.RolePolicy(
            f"{name}-flow-policy",
            name="write-flows",
            role=role.id,
            policy=group.arn.apply(_may_write),
            opts=child_of(self, one_at_a_time=True),
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags=tags_of(plan, f"{name}-flow-log"),
            opts=child_of(self),
        )


def _assumed_by(service: str, account: Account) -> dict[str, object]:
    """Let an AWS service take a role, for this account's sake only (the confused-deputy condition)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
            }
        ],
    }


def _may_write(group_arn: str) -> str:
    arn = group_arn.removesuffix(":*")
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                    "Resource": f"{arn}:*",
                }
            ],
        }
    )
