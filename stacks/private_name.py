"""The endpoint's name, known inside of the VPCs that use it and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from planner.plan import Plan, PrivateNamePlan
from stacks.naming import child_of, tags_of

TTL_S = 60
"""How long a client may go on asking at an old address."""


class PrivateName(pulumi.ComponentResource):
    """A private zone that is the endpoint's name and no more, so that it hides no other name from its VPCs."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        named: PrivateNamePlan,
        *,
        vpc_id: pulumi.Output[str],
        addresses: Sequence[pulumi.Input[str]],
    ) -> None:
        super().__init__("cloister:aws:PrivateName", name)
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=named.name,
            comment=f"Endpoint of stack {plan.stack}",
            vpcs=[
                aws.route53.ZoneVpcArgs(vpc_id=vpc_id),
                *(aws.route53.ZoneVpcArgs(vpc_id=consumer) for consumer in named.consumer_vpc_ids),
            ],
            tags=tags_of(plan, f"{name}-zone"),
            opts=child_of(self, one_at_a_time=True),
        )
        aws.route53.Record(
            f"{name}-record",
            zone_id=zone.zone_id,
            name=named.name,
            type="A",
            ttl=TTL_S,
            records=list(addresses),
            opts=child_of(self, one_at_a_time=True),
        )
        self.register_outputs({})
