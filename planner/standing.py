"""What a stack on AWS costs beside its machines: what it has while it exists, used or not, and the logs it writes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from planner.assess.figures import HOURS_PER_MONTH
from planner.catalogue import Catalogue
from planner.plan import (
    BundlePlan,
    ConsumersPlan,
    CostPlan,
    LogsPlan,
    NetworkPlan,
    NodePlan,
    PrivateNamePlan,
    SecretRef,
    StandingCost,
    Target,
)
from planner.units import GIB

DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_CONNECT = "no charge of its own (EC2 user guide, EC2 Instance Connect Endpoint)"
_CONSUMERS_PAY = "no charge to whoever offers it: consumers pay for their own endpoints (AWS PrivateLink pricing)"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a plan that cost something by being there."""

    network: NetworkPlan
    nodes: tuple[NodePlan, ...]
    secrets: tuple[SecretRef, ...]
    logs: LogsPlan
    bundle: BundlePlan
    consumers: ConsumersPlan
    private_name: PrivateNamePlan | None


def with_standing(cost: CostPlan, parts: Standing, catalogue: Catalogue, target: Target) -> CostPlan:
    """Return the price of a plan, with what comes beside its machines."""
    lines = tuple(_lines(parts, catalogue))
    hourly = round(sum(line.usd_per_month or 0.0 for line in lines) / HOURS_PER_MONTH, 6)
    here = hourly if target == "aws" else 0.0
    return msgspec.structs.replace(cost, beside=lines, beside_usd_per_hour=here, beside_usd_per_hour_on_aws=hourly)


def _lines(parts: Standing, catalogue: Catalogue) -> Iterator[StandingCost]:
    """Yield each kind of thing. What is given is its owner's, and paid there."""
    network, zones = parts.network, len(parts.network.subnets)
    nodes = len(parts.nodes)

    def line(what: str, count: float, row: str) -> StandingCost:
        return _line(what, count, row, catalogue)

    if network.given is None:
        names = ", ".join(network.interface_endpoints)
        count = zones * len(network.interface_endpoints)
        yield line(f"interface endpoints ({names}), each in each zone", count, "interface-endpoint-zone")
    yield _free("EC2 Instance Connect Endpoint", _CONNECT)
    yield line("key", 1, "kms-key")
    yield line("secrets", sum(secret.on_hosts for secret in parts.secrets), "secret")
    yield line("root disks, GiB", sum(node.root_volume_gib for node in parts.nodes), "ebs-gp3-gib")
    yield line("detailed monitoring of nodes", nodes, "detailed-monitoring")
    yield line("bundle in S3, GiB", round(parts.bundle.weights_bytes / GIB, 1), "s3-gib")
    if parts.private_name:
        yield line("private zone", 1, "hosted-zone")
    yield from _log_lines(parts, catalogue)
    if parts.consumers.private_link:
        yield line("internal load balancer", 1, "network-load-balancer")
        yield _free("endpoint service", _CONSUMERS_PAY)
    if gateways := sum(one.kind == "transit-gateway" for one in parts.consumers.joined):
        yield line("transit gateway attachments", gateways, "transit-gateway-attachment")


def _log_lines(parts: Standing, catalogue: Catalogue) -> Iterator[StandingCost]:
    """Yield what logs cost: as they are written, and as they are kept, once as many are there as retention lets be."""
    kinds = [("host-log-volume", "logs of hosts")]
    if parts.network.given is None:
        kinds.append(("flow-log-volume", "flow logs"))
    for row, what in kinds:
        volume = catalogue.assumptions[row]
        gib = volume.typical * len(parts.nodes)
        written = _line(f"{what} written, GiB a month (assumed)", gib, "log-ingestion-gib", catalogue)
        kept = gib * parts.logs.retention_days / DAYS_PER_MONTH
        yield msgspec.structs.replace(written, source=f"{written.source}; volume: {volume.source}")
        yield _line(f"{what} kept {parts.logs.retention_days} days, GiB", round(kept, 1), "log-storage-gib", catalogue)


def _line(what: str, count: float, row: str, catalogue: Catalogue) -> StandingCost:
    price = catalogue.resource_prices.get(row)
    if price is None:
        return StandingCost(what=what, count=count, usd_per_month=None, source="", as_of="", verified=False)
    each = price.usd * (HOURS_PER_MONTH if price.per == "hour" else 1)
    return StandingCost(
        what=what,
        count=count,
        usd_per_month=round(count * each, 2),
        source=price.source + (f" ({price.note})" if price.note else ""),
        as_of=price.as_of.isoformat(),
        verified=price.verified,
    )


def _free(what: str, why: str) -> StandingCost:
    return StandingCost(what=what, count=1, usd_per_month=0.0, source=why, as_of="", verified=True)
