"""What the plan costs by the hour; an unknown price stays unknown."""

from __future__ import annotations

from planner.catalogue import Catalogue, Host
from planner.plan import CostPlan
from planner.profile import AwsSection


def hourly_cost(aws: AwsSection, host: Host, catalogue: Catalogue, *, nodes: int = 1) -> CostPlan:
    """Price the sandbox (free) and the same nodes on AWS, billed whole (USD per hour)."""
    kind = "on-demand" if aws.capacity == "reservation" else aws.capacity
    for price in catalogue.host_prices:
        if price.host == host.name and price.capacity == kind and (not price.regions or aws.region in price.regions):
            return CostPlan(
                usd_per_hour=0.0,
                usd_per_hour_on_aws=price.per_hour * nodes,
                basis=f"{nodes} x {host.name} ({host.gpus} {host.gpu}), {kind}, {aws.region}; source: {price.source}",
                as_of=price.as_of.isoformat(),
                verified=price.verified,
            )
    return CostPlan(
        usd_per_hour=0.0,
        usd_per_hour_on_aws=None,
        basis=f"the catalogue has no {kind} price of {host.name} in {aws.region}",
        as_of="",
        verified=False,
    )
