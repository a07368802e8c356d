"""Who may be joined, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.consumers import LONGEST_BALANCER_NAME, balancer_name, consumer_decisions, plan_consumers
from planner.errors import PlanError
from planner.profile import AwsSection, Profile

GATEWAY = "tgw-0123456789abcdef0"


def profile(**aws: Any) -> Profile:
    return msgspec.structs.replace(load_profile("2xh200"), aws=msgspec.convert(aws, AwsSection))


def peering(cidr: str) -> dict[str, str]:
    return {"vpc_id": "vpc-0123456789abcdef0", "cidr": cidr}


def test_nobody_by_itself() -> None:
    plan = plan_consumers(load_profile("2xh200"), "s")
    assert (plan.joined, plan.private_link, consumer_decisions(plan)) == ((), None, ())


def test_a_transit_gateway_may_lead_to_more_than_the_stacks_own_range() -> None:
    plan = plan_consumers(profile(transit_gateway={"id": GATEWAY, "cidrs": ["10.0.0.0/8"]}), "s")
    assert [one.cidrs for one in plan.joined] == [("10.0.0.0/8",)]
    (told,) = consumer_decisions(plan)
    assert GATEWAY in told.choice


@pytest.mark.parametrize(
    ("aws", "message"),
    [
        ({"transit_gateway": {"id": GATEWAY, "cidrs": ["0.0.0.0/0"]}}, "no private IPv4 network"),
        ({"transit_gateway": {"id": GATEWAY, "cidrs": ["203.0.113.0/24"]}}, "no private IPv4 network"),
        ({"transit_gateway": {"id": GATEWAY, "cidrs": ["10.20.0.1/16"]}}, "host bits"),
        ({"transit_gateway": {"id": GATEWAY, "cidrs": ["10.42.3.0/24"]}}, "overlaps 10.42.0.0/16"),
        ({"peering": [peering("10.0.0.0/8")]}, "overlaps 10.42.0.0/16"),
        ({"peering": [peering("fd00::/48")]}, "no private IPv4 network"),
        ({"peering": [peering("10.9.0.0/16"), peering("10.9.1.0/24")]}, "overlaps 10.9.0.0/16"),
        (
            {"region": "cn-north-1", "private_link": {"allowed_principals": ["arn:aws:iam::210987654321:root"]}},
            "is not of cn-north-1's partition, aws-cn",
        ),
    ],
)
def test_what_is_refused(aws: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_consumers(profile(**aws), "s")


def test_a_given_network_is_joined_by_its_owner() -> None:
    network = {
        "vpc_id": "vpc-0123456789abcdef0",
        "subnet_ids": ["subnet-0123456789abcdef0"],
        "endpoints": {},
        "endpoint_group_ids": ["sg-0123456789abcdef0"],
    }
    with pytest.raises(PlanError, match="join the stack"):
        plan_consumers(profile(network=network, peering=[peering("10.9.0.0/16")]), "s")


@pytest.mark.parametrize("principal", ["*", "arn:aws:iam::*:root", "arn:aws:iam::210987654321:group/g", "210987654321"])
def test_principals_are_spelled_out(principal: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        profile(private_link={"allowed_principals": [principal]})


def test_names_of_load_balancers_fit_and_stay_apart() -> None:
    assert balancer_name("s") == "cloister-s"
    names = {balancer_name(f"{'a' * 38}{last}") for last in "xyz"}
    assert len(names) == 3
    assert all(len(name) == LONGEST_BALANCER_NAME for name in names)
