"""Networks that are joined with the stack's own, and the routes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan import JoinedNetworkPlan, Plan
from stacks.naming import child_of, tags_of


class JoinedNetworks(pulumi.ComponentResource):
    """An attachment to the company's transit gateway, peerings, and routes to the named networks and no others."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        *,
        vpc_id: pulumi.Output[str],
        subnet_ids: Sequence[pulumi.Output[str]],
        route_table_ids: Sequence[pulumi.Output[str]],
    ) -> None:
        super().__init__("cloister:aws:JoinedNetworks", name)
        self._plan, self._vpc_id, self._subnet_ids = plan, vpc_id, subnet_ids
        for number, joined in enumerate(plan.consumers.joined):
            target, way = self._join(f"{name}-{joined.kind}-{number}", joined)
            options = pulumi.ResourceOptions.merge(
                child_of(self, one_at_a_time=True), pulumi.ResourceOptions(depends_on=[way])
            )
            for table_number, table_id in enumerate(route_table_ids):
                for cidr_number, cidr in enumerate(joined.cidrs):
                    aws.ec2.Route(
                        f"{name}-{joined.kind}-{number}-route-{table_number}-{cidr_number}",
                        route_table_id=table_id,
                        destination_cidr_block=cidr,
                        opts=options,
                        **target,
                    )
        self.register_outputs({})

    def _join(self, name: str, joined: JoinedNetworkPlan) -> tuple[dict[str, Any], pulumi.Resource]:
        """Join one network, and return what a route there names, and what it needs."""
        tags, options = tags_of(self._plan, name), child_of(self, one_at_a_time=True)
        if joined.kind == "peering":
            peering = aws.ec2.VpcPeeringConnection(
                name, vpc_id=self._vpc_id, peer_vpc_id=joined.id, auto_accept=True, tags=tags, opts=options
            )
            return {"vpc_peering_connection_id": peering.id}, peering
        attachment = aws.ec2transitgateway.VpcAttachment(
            name,
            transit_gateway_id=joined.id,
            vpc_id=self._vpc_id,
            subnet_ids=list(self._subnet_ids),
            tags=tags,
            opts=options,
        )
        return {"transit_gateway_id": joined.id}, attachment
