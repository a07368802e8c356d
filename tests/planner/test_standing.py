"""What a stack has beside its machines: counted from the plan, priced from the catalogue, and part of the bill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile, shipped_names
from planner.assess.figures import HOURS_PER_MONTH
from planner.bill import bill
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime, hours_of
from planner.make_plan import Site, make_plan
from planner.plan import Plan, StandingCost, from_json, to_json
from planner.profile import AwsSection

PARTNER = "arn:aws:iam::210987654321:root"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def plan_of(profile: str = "2xh200", lifetime: Lifetime | None = None, **aws: Any) -> Plan:
    asked = load_profile(profile)
    if aws:
        asked = msgspec.structs.replace(asked, aws=msgspec.convert(aws, AwsSection))
    return make_plan(asked, load_catalogue(), Site(stack="s", target="aws", account="123456789012", lifetime=lifetime))


def line(plan: Plan, beginning: str) -> StandingCost:
    (found,) = (one for one in plan.cost.beside if one.what.startswith(beginning))
    return found


def test_interface_endpoints_are_counted_in_each_zone() -> None:
    plan = plan_of()
    endpoints = line(plan, "interface endpoints")
    count = len(plan.network.interface_endpoints) * len(plan.network.subnets)
    assert count >= 4
    assert (endpoints.count, endpoints.usd_per_month) == (count, round(count * 0.01 * HOURS_PER_MONTH, 2))
    assert not endpoints.verified
    assert endpoints.as_of
    assert line(plan, "EC2 Instance Connect").usd_per_month == 0
    assert line(plan, "key").usd_per_month == 1


def test_what_consumers_need_is_on_the_bill() -> None:
    plain = plan_of()
    assert not any("load balancer" in one.what or "gateway" in one.what for one in plain.cost.beside)
    joined = plan_of(
        private_link={"allowed_principals": [PARTNER]},
        transit_gateway={"id": "tgw-0123456789abcdef0", "cidrs": ["10.20.0.0/16"]},
    )
    assert line(joined, "internal load balancer").usd_per_month == round(0.0225 * HOURS_PER_MONTH, 2)
    assert line(joined, "endpoint service").usd_per_month == 0
    assert line(joined, "transit gateway").usd_per_month == round(0.05 * HOURS_PER_MONTH, 2)
    assert joined.cost.beside_usd_per_hour > plain.cost.beside_usd_per_hour


def test_logs_are_paid_when_written_and_while_they_are_kept() -> None:
    short, long = plan_of(log_retention_days=30), plan_of(log_retention_days=365)
    assert line(short, "flow logs written").usd_per_month == line(long, "flow logs written").usd_per_month == 0.5
    kept = [line(plan, "flow logs kept").count for plan in (short, long)]
    assert kept[1] > 11 * kept[0]
    assert "assumption" in line(short, "flow logs written").source


def test_a_given_network_is_paid_by_its_owner() -> None:
    given = {
        "vpc_id": "vpc-0123456789abcdef0",
        "subnet_ids": ["subnet-0123456789abcdef0"],
        "endpoints": {
            name: f"vpce-{number:08x}" for number, name in enumerate(("kms", "logs", "s3", "secretsmanager", "sts"))
        },
        "endpoint_group_ids": ["sg-0123456789abcdef0"],
    }
    names = [one.what for one in plan_of(network=given).cost.beside]
    assert not any(name.startswith(("interface endpoints", "flow logs")) for name in names)


@pytest.mark.parametrize("profile", shipped_names())
def test_every_line_of_a_shipped_profile_has_a_price_and_a_source(profile: str) -> None:
    plan = plan_of(profile)
    assert all(one.usd_per_month is not None and one.source for one in plan.cost.beside)
    assert from_json(to_json(plan)) == plan
    total = sum(one.usd_per_month or 0 for one in plan.cost.beside)
    assert plan.cost.beside_usd_per_hour == pytest.approx(total / HOURS_PER_MONTH, abs=1e-6)


def test_the_bill_holds_all_of_the_stack_and_the_sandbox_costs_nothing() -> None:
    cost = plan_of().cost
    assert cost.usd_per_hour is not None
    asked = bill(cost, 10.0)
    assert asked.worst_usd == pytest.approx(10 * (cost.usd_per_hour + cost.beside_usd_per_hour))
    here = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="s")).cost
    assert (here.beside_usd_per_hour, here.beside_usd_per_hour_on_aws) == (0.0, cost.beside_usd_per_hour)
    assert bill(here, 10.0).worst_usd == 0


def test_a_limit_on_money_ends_the_stack_before_all_of_it_has_cost_that() -> None:
    plan = plan_of(lifetime=Lifetime(since=NOW, max_cost_usd=200.0))
    assert plan.deadline is not None
    asked = bill(plan.cost, hours_of(plan.deadline))
    assert asked.worst_usd is not None
    assert plan.deadline.worst_case_usd == pytest.approx(asked.worst_usd, abs=0.01)
    assert asked.worst_usd <= 200.0
    longer = plan.deadline.until + timedelta(minutes=2)
    later = bill(plan.cost, hours_of(msgspec.structs.replace(plan.deadline, until=longer)))
    assert later.worst_usd is not None
    assert later.worst_usd > 200.0
