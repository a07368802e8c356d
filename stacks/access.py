"""How administrators reach a node that has no way to the internet."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from planner.plan import Plan
from stacks.naming import child_of, tags_of


class Access(pulumi.ComponentResource):
    """An EC2 Instance Connect Endpoint: SSH through AWS's API, guarded by IAM, with a group of its own."""

    endpoint_id: pulumi.Output[str]

    def __init__(
        self, name: str, plan: Plan, subnet_id: pulumi.Output[str], security_group_id: pulumi.Output[str]
    ) -> None:
        super().__init__("cloister:aws:Access", name)
        endpoint = aws.ec2transitgateway.InstanceConnectEndpoint(
            f"{name}-endpoint",
            subnet_id=subnet_id,
            # Without a group of its own it would take the VPC's default one.
            security_group_ids=[security_group_id],
            preserve_client_ip=False,
            tags=tags_of(plan, f"{name}-endpoint"),
            opts=child_of(self, one_at_a_time=True),
        )
        self.endpoint_id = endpoint.id
        self.register_outputs({"endpoint_id": self.endpoint_id})
