"""Which calls the layer answers itself, or has a word in. All others go straight to moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.aws import (
    auto_scaling,
    buckets,
    budgets,
    capacity_blocks,
    capacity_reservations,
    connect_endpoints,
    consumers,
    instance_profiles,
    instances,
    network,
    parameters,
    placement_groups,
    quotas,
    security_groups,
    tagging,
    vpc_endpoints,
)
from sandbox.aws.call import Operation
from sandbox.aws.region import Region

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **auto_scaling.OPERATIONS,
    **buckets.OPERATIONS,
    **budgets.OPERATIONS,
    **capacity_blocks.OPERATIONS,
    **capacity_reservations.OPERATIONS,
    **connect_endpoints.OPERATIONS,
    **consumers.OPERATIONS,
    **instance_profiles.OPERATIONS,
    **instances.OPERATIONS,
    **network.OPERATIONS,
    **parameters.OPERATIONS,
    **placement_groups.OPERATIONS,
    **quotas.OPERATIONS,
    **security_groups.OPERATIONS,
    **tagging.OPERATIONS,
    **vpc_endpoints.OPERATIONS,
}
"""(service's signing name, operation) -> what carries it out."""

SETTLE: tuple[Callable[[Region], None], ...] = (
    auto_scaling.settle,
    connect_endpoints.settle,
    instances.settle,
    vpc_endpoints.settle,
)
"""Run before every call: what was in progress, and is through by now, takes effect."""
