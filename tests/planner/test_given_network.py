"""What must hold of a network that is given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import PlanError
from planner.given_network import GivenEndpoint, GivenFacts, GivenRoute, GivenSubnet, GivenVpc, check
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import AwsSection

SERVICES = ("kms", "logs", "s3", "secretsmanager", "sts")
NETWORK: dict[str, Any] = {
    "vpc_id": "vpc-00000001",
    "subnet_ids": ["subnet-00000001"],
    "endpoints": {service: f"vpce-0000000{number}" for number, service in enumerate(SERVICES)},
    "endpoint_group_ids": ["sg-00000001"],
}


def plan_with(**changed: Any) -> Plan:
    aws = msgspec.convert({"network": {**NETWORK, **changed}}, AwsSection)
    profile = msgspec.structs.replace(load_profile("2xh200"), aws=aws)
    return make_plan(profile, load_catalogue(), Site(stack="given"))


def endpoint(service: str) -> GivenEndpoint:
    gateway = service == "s3"
    return GivenEndpoint(
        service=service,
        id=NETWORK["endpoints"][service],
        vpc_id="vpc-00000001",
        service_name=f"com.amazonaws.us-east-2.{service}",
        kind="Gateway" if gateway else "Interface",
        state="available",
        private_dns=not gateway,
        route_table_ids=("rtb-00000001",) if gateway else (),
        group_ids=() if gateway else ("sg-00000001", "sg-00000002"),
    )


FACTS = GivenFacts(
    vpc=GivenVpc(id="vpc-00000001", cidr="10.0.0.0/16", dns_support=True, dns_hostnames=True),
    subnets=(
        GivenSubnet(
            id="subnet-00000001",
            vpc_id="vpc-00000001",
            zone="us-east-2a",
            public_addresses=False,
            ipv6_addresses=False,
            route_table_id="rtb-00000001",
            routes=(GivenRoute(destination="172.16.0.0/12", target="tgw-00000001"),),
        ),
    ),
    endpoints=tuple(map(endpoint, SERVICES)),
    zones={"p5en.48xlarge": ("us-east-2a",)},
)


def changed(part: str, place: int | None, **values: Any) -> GivenFacts:
    """Return the facts with a change of the VPC, or of one subnet or endpoint."""
    old = getattr(FACTS, part)
    if place is None:
        return msgspec.structs.replace(FACTS, **{part: msgspec.structs.replace(old, **values)})
    items = [msgspec.structs.replace(one, **values) if n == place else one for n, one in enumerate(old)]
    return msgspec.structs.replace(FACTS, **{part: tuple(items)})


def routed(destination: str, target: str) -> GivenFacts:
    return changed("subnets", 0, routes=(GivenRoute(destination=destination, target=target),))


def test_a_network_as_the_stack_would_make_it_is_taken() -> None:
    check(plan_with(), FACTS)


def test_what_nobody_knows_yet_is_not_refused() -> None:
    unknown = {"vpc_id": None, "service_name": None, "kind": None, "state": None, "private_dns": None}
    check(plan_with(), changed("endpoints", 0, **unknown, route_table_ids=None, group_ids=None))
    check(plan_with(), msgspec.structs.replace(FACTS, zones=None))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (changed("vpc", None, cidr="8.8.0.0/16"), "not private"),
        (changed("vpc", None, dns_hostnames=False), "DNS host names"),
        (changed("vpc", None, dns_support=False), "DNS support"),
        (changed("subnets", 0, vpc_id="vpc-00000002"), "is not in vpc-00000001"),
        (changed("subnets", 0, public_addresses=True), "public addresses"),
        (changed("subnets", 0, ipv6_addresses=True), "public addresses"),
        (changed("subnets", 0, zone="us-east-2b"), "does not offer p5en.48xlarge .*us-east-2a"),
        (changed("subnets", 0, route_table_id="rtb-00000002"), "no route to vpce-00000002"),
        (routed("0.0.0.0/0", "igw-1"), "to the internet through igw-1"),
        (routed("10.9.0.0/16", "nat-1"), "to the internet through nat-1"),
        (routed("::/0", "eigw-1"), "to the internet through eigw-1"),
        (routed("0.0.0.0/0", "tgw-1"), "which is not private, leads through tgw-1"),
        (routed("::/0", "eni-1"), "which is not private, leads through eni-1"),
        (changed("endpoints", 0, vpc_id="vpc-00000002"), "is not in vpc-00000001"),
        (changed("endpoints", 0, service_name="com.amazonaws.us-east-2.sts"), "not of com.amazonaws.us-east-2.kms"),
        (changed("endpoints", 0, service_name="com.amazonaws.vpce.us-east-2.kms"), "an endpoint of"),
        (changed("endpoints", 0, state="pendingAcceptance"), "not available"),
        (changed("endpoints", 0, kind="Gateway"), "of the kind Gateway"),
        (changed("endpoints", 2, kind="Interface"), "of the kind Interface"),
        (changed("endpoints", 0, private_dns=False), "private DNS is off"),
        (changed("endpoints", 0, group_ids=("sg-00000002",)), "none of the groups"),
    ],
)
def test_what_is_less_private_or_does_not_work_is_refused(facts: GivenFacts, message: str) -> None:
    with pytest.raises(PlanError, match=message) as refusal:
        check(plan_with(), facts)
    assert refusal.value.code == "given_network"


def test_every_fault_is_told_at_once() -> None:
    facts = msgspec.structs.replace(routed("0.0.0.0/0", "igw-1"), vpc=changed("vpc", None, dns_support=False).vpc)
    with pytest.raises(PlanError, match=r"DNS support.*igw-1"):
        check(plan_with(), facts)


def test_every_endpoint_that_a_node_needs_is_named_and_no_other() -> None:
    without = {name: id_ for name, id_ in NETWORK["endpoints"].items() if name not in ("kms", "s3")}
    with pytest.raises(PlanError, match="none for kms, s3"):
        plan_with(endpoints=without)
    with pytest.raises(PlanError, match="do not call ec2"):
        plan_with(endpoints={**NETWORK["endpoints"], "ec2": "vpce-00000009"})
