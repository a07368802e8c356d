"""The endpoint, offered to consumers whose networks are joined in no other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan import Plan, PrivateLinkPlan
from stacks.naming import child_of, tags_of

LEAVING_S = 120
"""How long a connection may go on to a node that is taken out."""


class PrivateLink(pulumi.ComponentResource):
    """An endpoint service behind a load balancer that has no address outside of the network.

    TLS ends on the node: the balancer passes bytes on. Whoever is not named cannot ask, and whoever asks is accepted by
    hand.
    """

    service_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        plan: Plan,
        link: PrivateLinkPlan,
        *,
        vpc_id: pulumi.Output[str],
        subnet_ids: Sequence[pulumi.Output[str]],
        security_group_id: pulumi.Output[str],
        instance_ids: Sequence[pulumi.Input[str]],
    ) -> None:
        super().__init__("cloister:aws:PrivateLink", name)
        port = plan.network.gateway_port
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=link.balancer_name,
            internal=True,
            load_balancer_type="network",
            subnets=list(subnet_ids),
            security_groups=[security_group_id],
            # Nodes stand in one zone; consumers may come from another.
            enable_cross_zone_load_balancing=True,
            tags=tags_of(plan, f"{name}-balancer"),
            opts=child_of(self, one_at_a_time=True),
        )
        group = aws.lb.TargetGroup(
            f"{name}-nodes",
            name=link.balancer_name,
            port=port,
            protocol="TCP",
            target_type="instance",
            vpc_id=vpc_id,
            # The node's group lets the balancer in, not whoever stands behind it.
            preserve_client_ip="false",
            deregistration_delay=LEAVING_S,
            health_check=_HEALTH,
            tags=tags_of(plan, f"{name}-nodes"),
            opts=child_of(self, one_at_a_time=True),
        )
        for number, instance_id in enumerate(instance_ids):
            aws.lb.TargetGroupAttachment(
                f"{name}-node-{number}",
                target_group_arn=group.arn,
                target_id=instance_id,
                port=port,
                opts=child_of(self, one_at_a_time=True),
            )
        aws.lb.Listener(
            f"{name}-listener",
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[{"type": "forward", "target_group_arn": group.arn}],
            tags=tags_of(plan, f"{name}-listener"),
            opts=child_of(self, one_at_a_time=True, holds=("defaultActions",)),
        )
        service = aws.ec2.VpcEndpointService(
            f"{name}-service",
            acceptance_required=True,
            allowed_principals=list(link.allowed_principals),
            network_load_balancer_arns=[balancer.arn],
            tags=tags_of(plan, f"{name}-service"),
            opts=child_of(self, one_at_a_time=True, holds=("networkLoadBalancerArns",)),
        )
        self.service_name = service.service_name
        self.register_outputs({"service_name": self.service_name})


_HEALTH: Any = {
    "protocol": "TCP",
    "port": "traffic-port",
    "interval": 10,
    "timeout": 10,
    "healthy_threshold": 2,
    "unhealthy_threshold": 2,
}
"""A node is healthy that takes connections: whoever asks more than that needs a token."""
