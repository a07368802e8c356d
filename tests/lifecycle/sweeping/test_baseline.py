"""What is new since the stack, hangs on what is the stack's and carries no tag: shown, and never touched."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from lifecycle.sweeping.baseline import ensure, read
from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import Known, sweep
from planner.progress import Silent
from planner.tags import STACK_TAG
from tests.lifecycle.sweeping.makers import Maker
from tests.lifecycle.sweeping.scripted import Scripted, refusal

MINE = [{"Key": STACK_TAG, "Value": "mine"}]


def _snapshots(*ids: str) -> dict[str, Any]:
    return {"Snapshots": [{"SnapshotId": one, "VolumeId": "vol-mine", "VolumeSize": 100} for one in ids]}


def test_what_is_new_and_hangs_on_the_stacks_is_shown(tmp_path: Path) -> None:
    script: dict[tuple[str, str], Any] = {
        ("ec2", "describe_snapshots"): lambda _: _snapshots("snap-before"),
        ("ec2", "describe_network_interfaces"): lambda _: {
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-theirs", "VpcId": "vpc-theirs", "Status": "in-use"}]
        },
    }
    clients = Scripted(script)
    place = Place(clients, "123456789012", "mine")
    baseline = ensure(tmp_path / "baseline.json", place)
    assert stat.S_IMODE((tmp_path / "baseline.json").stat().st_mode) == 0o600
    assert baseline.ids["snapshot"] == ("snap-before",)
    script["ec2", "describe_snapshots"] = lambda _: _snapshots("snap-before", "snap-new")
    script["ec2", "describe_images"] = lambda _: {
        "Images": [{"ImageId": "ami-new", "BlockDeviceMappings": [{"Ebs": {"SnapshotId": "snap-new"}}]}]
    }
    known = Known(ids=frozenset({"vol-mine"}), baseline=baseline)
    swept = sweep(place, Silent(), known=known, delete=True)
    assert {(one.kind, one.id) for one in swept.untagged} == {("snapshot", "snap-new"), ("image", "ami-new")}
    assert {one.id: one.usd_per_month for one in swept.untagged}["snap-new"] == 5.0
    assert swept.clean
    assert not [name for name, _ in clients.calls if name.startswith(("delete", "deregister"))]


def test_the_first_baseline_counts(tmp_path: Path) -> None:
    """A second `up` of the same stack does not take for granted what the first one left."""
    place = Place(Scripted({}), "123456789012", "mine")
    first = ensure(tmp_path / "baseline.json", place)
    later = Scripted({("ec2", "describe_vpcs"): [{"Vpcs": [{"VpcId": "vpc-new"}]}]})
    assert ensure(tmp_path / "baseline.json", Place(later, "123456789012", "mine")) == first
    elsewhere = ensure(tmp_path / "baseline.json", Place(later, "210987654321", "mine"))
    assert elsewhere.ids["vpc"] == ("vpc-new",)


def test_a_kind_that_could_not_be_looked_at_has_no_baseline(tmp_path: Path) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise refusal("UnauthorizedOperation", "DescribeSnapshots")

    script: dict[tuple[str, str], Any] = {("ec2", "describe_snapshots"): refuse}
    place = Place(Scripted(script), "123456789012", "mine")
    baseline = ensure(tmp_path / "baseline.json", place)
    assert "snapshot" not in baseline.ids
    script["ec2", "describe_snapshots"] = lambda _: _snapshots("snap-1")
    known = Known(ids=frozenset({"vol-mine"}), baseline=baseline)
    assert sweep(place, Silent(), known=known).untagged == ()


def test_a_baseline_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text("{")
    assert read(tmp_path / "baseline.json") is None
    assert read(tmp_path / "nothing") is None


@pytest.mark.slow
def test_a_zone_that_never_got_its_tags_counts_as_left(place: Place) -> None:
    """No call makes a zone with its tags: what a crash left between the two is the stack's all the same."""
    stack = str(place.stack)
    ours = Maker(place.client, stack, {STACK_TAG: stack})
    vpc = ours.vpc()
    zone = Maker(place.client, f"{stack}z", {})
    zone._vpc = vpc
    zone_id = zone.hosted_zone()
    swept = sweep(place, Silent())
    assert ("hosted-zone", zone_id) in {(one.kind, one.id) for one in swept.left}
    swept = sweep(place, Silent(), known=Known(ids=frozenset({vpc})), delete=True, within_s=20)
    assert [(one.kind, one.id, one.why) for one in swept.left] == [
        ("hosted-zone", zone_id, "carries no tag: delete it by hand")
    ]
    assert not swept.clean
