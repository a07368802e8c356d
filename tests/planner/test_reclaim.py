"""Who watches for AWS taking a node back, and what it is told of a Capacity Block."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from gateway.reclaim import BlockTimes, block_notice
from lifecycle.profiles import load_profile
from planner.capacity import drain
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan, Target
from planner.profile import AwsSection
from templates.reclaim import render_block_times

NOTHING_HELD: dict[str, AwsSection] = {
    "on-demand": AwsSection(instance_type="p5en.48xlarge"),
    "reservation": AwsSection(instance_type="p5en.48xlarge", capacity="reservation", reservation_id="cr-0123456789"),
}
TAKEN_BACK = {
    "spot": AwsSection(instance_type="p5en.48xlarge", capacity="spot"),
    "capacity-block": AwsSection(
        instance_type="p5en.48xlarge", capacity="capacity-block", reservation_id="cr-0123456789"
    ),
}


def planned(aws: AwsSection, target: Target = "aws") -> Plan:
    profile = msgspec.structs.replace(load_profile("2xh200"), aws=aws, purpose="proof-of-concept")
    return make_plan(profile, load_catalogue(), Site(stack="s", target=target))


@pytest.mark.parametrize("aws", NOTHING_HELD.values(), ids=NOTHING_HELD)
def test_nobody_watches_where_nothing_is_taken_back(aws: AwsSection) -> None:
    assert "reclaim" not in {service.name for service in planned(aws).services}


@pytest.mark.parametrize("aws", TAKEN_BACK.values(), ids=TAKEN_BACK)
def test_a_node_that_is_taken_back_is_watched_on_aws_alone(aws: AwsSection) -> None:
    service = planned(aws).service("reclaim")
    assert service.args[:2] == ("--gateway", "http://127.0.0.1:8081")
    assert ("{config}/times.json" in service.args) == (aws.capacity == "capacity-block")
    assert service.after == ("gateway",)
    assert "reclaim" not in {service.name for service in planned(aws, "sandbox").services}


def test_the_watcher_reads_the_times_that_are_rendered(tmp_path: Path) -> None:
    planned = drain(datetime(2026, 12, 1, 11, 30, tzinfo=UTC), request_timeout_s=600)
    times = msgspec.json.decode(render_block_times(planned), type=BlockTimes)
    assert (times.stop_taking_at, times.reclaim_at) == (planned.stop_taking_at, planned.reclaim_at)
    assert block_notice(times, datetime(2026, 12, 1, 10, 39, tzinfo=UTC)) is None
    noticed = block_notice(times, datetime(2026, 12, 1, 10, 40, tzinfo=UTC))
    assert noticed is not None
    assert noticed.at == planned.reclaim_at
