"""How long weights take: from the bucket to a node's disks, and from here to the bucket."""

from __future__ import annotations

import msgspec

from planner.catalogue import Catalogue, Host
from planner.catalogue.rows import Assumption
from planner.plan import BundlePlan, Decision
from planner.profile import BundleSection
from planner.ranges import Range
from planner.units import GIB

STORE = "/opt/dlami/nvme"
"""Where the machine image mounts local disks (AWS Deep Learning AMI release notes, `nvme_location`)."""
MOST_PROCESSES = 64
"""Processes that fetch, at most: more connections than that add nothing to a 100 Gbit/s card."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Something on the way, and how much it lets through.

    Attributes:
        gb_s: GB/s.

    """

    name: str
    gb_s: Range


def plan_bundle(section: BundleSection, weights_gib: float, host: Host, catalogue: Catalogue) -> BundlePlan:
    """Settle what nodes install from, and say how long the weights take to a node.

    Args:
        section: of the profile.
        weights_gib: of all GPUs of one replica; nodes fetch them once.
        host: the machine.
        catalogue: for what S3 and disks give.

    """
    size = round(weights_gib * GIB)
    limits = _limits(host, catalogue)
    slowest = min(limits, key=lambda limit: limit.gb_s.typical)
    return BundlePlan(
        id=section.id,
        store=STORE,
        processes=min(MOST_PROCESSES, host.vcpus or 1),
        weights_bytes=size,
        pull_s=Range(
            low=size / 1e9 / min(limit.gb_s.high for limit in limits),
            typical=size / 1e9 / slowest.gb_s.typical,
            high=size / 1e9 / min(limit.gb_s.low for limit in limits),
        ).rounded(1),
        pull_limit=slowest.name,
    )


def push_time(size: int, uplink_mbit_s: float, catalogue: Catalogue) -> Range:
    """Return how many seconds a bundle takes to the bucket.

    Args:
        size: bytes.
        uplink_mbit_s: of the machine that pushes, in Mbit/s.
        catalogue: for the share of a line that an upload gets.

    """
    share, seconds = catalogue.assumptions["uplink-share"], size * 8 / (uplink_mbit_s * 1e6)
    return Range(low=seconds / share.high, typical=seconds / share.typical, high=seconds / share.low).rounded(1)


def transfer_decision(bundle: BundlePlan) -> Decision:
    """Say how long the weights take, and what the nodes install from."""
    time = bundle.pull_s
    named = f"bundle {bundle.id[:12]}..." if bundle.id else "no bundle named: nodes start without one"
    return Decision(
        what="weights to a node",
        choice=f"{minutes(time.low)} to {minutes(time.high)}, likely {minutes(time.typical)}",
        why=f"{bundle.weights_bytes / 1e9:.0f} GB from the bucket to local disks; {bundle.pull_limit} is the limit; "
        f"{named}",
    )


def minutes(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _limits(host: Host, catalogue: Catalogue) -> tuple[Limit, ...]:
    """Return what is on the way: S3 and the program that reads it, one network card, the disks.

    A node has one ordinary interface, on its first card; what the machine's other cards carry is for EFA alone.
    """
    rows = catalogue.assumptions
    limits = [Limit(name="S3", gb_s=_range(rows["s3-per-machine"]))]
    if host.network_gbit_s:
        card = host.network_gbit_s / host.network_cards / 8
        limits.append(Limit(name="the network card", gb_s=_range(rows["network-share"]).times(card)))
    if host.local_nvme_gb:
        disks = _range(rows["nvme-write"]).times(host.local_nvme_gb / 1000)
        limits.append(Limit(name="writing to local disks", gb_s=disks))
    else:
        limits.append(Limit(name="writing to the root disk", gb_s=_range(rows["root-write"])))
    return tuple(limits)


def _range(row: Assumption) -> Range:
    return Range(low=row.low, typical=row.typical, high=row.high)
