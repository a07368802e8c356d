"""Private ways to the AWS services that a node calls."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from planner.partitions import endpoint_service
from planner.plan import Plan
from stacks.account import Account
from stacks.endpoint_policies import bundle_only, interface_policy
from stacks.naming import child_of, tags_of


class GatewayEndpoints(pulumi.ComponentResource):
    """Endpoints that are routes: S3, and of S3 the bundle alone."""

    s3_prefix_list_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        plan: Plan,
        account: Account,
        vpc_id: pulumi.Output[str],
        route_table_ids: Iterable[pulumi.Output[str]],
    ) -> None:
        super().__init__("cloister:aws:GatewayEndpoints", name)
        for service in plan.network.gateway_endpoints:
            endpoint = aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc_id,
                service_name=endpoint_service(service, account.region, gateway=True),
                vpc_endpoint_type="Gateway",
                route_table_ids=list(route_table_ids),
                policy=json.dumps(bundle_only(plan, account)),
                tags=tags_of(plan, f"{name}-{service}"),
                opts=child_of(self),
            )
            self.s3_prefix_list_id = endpoint.prefix_list_id
        self.register_outputs({})


class InterfaceEndpoints(pulumi.ComponentResource):
    """Endpoints that are network interfaces, each under the service's usual name."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        account: Account,
        *,
        key_arn: pulumi.Output[str],
        vpc_id: pulumi.Output[str],
        subnet_ids: Iterable[pulumi.Output[str]],
        security_group_id: pulumi.Output[str],
    ) -> None:
        super().__init__("cloister:aws:InterfaceEndpoints", name)
        for service in plan.network.interface_endpoints:
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc_id,
                service_name=endpoint_service(service, account.region),
                vpc_endpoint_type="Interface",
                subnet_ids=list(subnet_ids),
                security_group_ids=[security_group_id],
                private_dns_enabled=True,
                policy=_policy(service, plan, account, key_arn),
                tags=tags_of(plan, f"{name}-{service}"),
                opts=child_of(self, one_at_a_time=True, holds=("subnetIds", "securityGroupIds")),
            )
        self.register_outputs({})


def _policy(service: str, plan: Plan, account: Account, key_arn: pulumi.Output[str]) -> pulumi.Input[str]:
    """Return an interface endpoint's policy; the key's id is known only when the key is."""
    if service == "kms":
        return key_arn.apply(lambda arn: json.dumps(interface_policy(service, plan, account, arn)))
    return json.dumps(interface_policy(service, plan, account))
