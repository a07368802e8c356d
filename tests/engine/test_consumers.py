"""Ways in for consumers under Pulumi's own engine: made, left alone, and taken away in an order that AWS allows."""

from __future__ import annotations

import msgspec

from planner.consumers import plan_consumers
from tests.engine.site import MARKS, Site, kinds, program
from tests.stacks.test_consumers import joined, profile

pytestmark = MARKS


def test_consumers_come_and_go(site: Site) -> None:
    ec2 = site.clients.client("ec2")
    gateway = ec2.create_transit_gateway(Description="company")["TransitGateway"]["TransitGatewayId"]
    peer = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    consumers = plan_consumers(profile(**joined(gateway, peer)), site.stack)
    plan, engine = msgspec.structs.replace(site.plan(), consumers=consumers), site.engine()
    made = engine.up(program(plan))
    assert made.outputs["endpoint_service_name"].startswith("com.amazonaws.vpce.us-east-2.vpce-svc-")
    ours = {"private-link-balancer", "private-link-listener", "private-link-nodes", "private-link-service"}
    assert ours | {"joined-transit-gateway-0", "joined-peering-1"} <= set(site.tagged())
    assert set(kinds(engine.up(program(plan)).changes)) == {"same"}
    engine.destroy()
    assert (site.tagged(), site.named(), engine.resources()) == ({}, [], ())
    ec2.delete_vpc(VpcId=peer)
