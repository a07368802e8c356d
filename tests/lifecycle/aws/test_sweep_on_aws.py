"""On AWS: the baseline comes before anything is made, drift and sweep ask the plan's account, `down` shows strays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lifecycle import sweep
from lifecycle.drift import drift
from lifecycle.journal import read
from lifecycle.stack import Stack
from lifecycle.sweeping import baseline
from lifecycle.teardown_certificate import Certificate
from planner.errors import DeployError
from planner.progress import Silent
from tests.lifecycle.aws.test_target import OTHER, Aws, aws

__all__ = ["aws"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]


def test_what_is_new_since_the_baseline_is_in_the_certificate(aws: Aws) -> None:
    ec2 = aws.session.client("ec2")
    stranger = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    aws.brought_up()
    taken = baseline.read(aws.home.baseline)
    assert taken is not None
    assert (taken.account, taken.region) == ("123456789012", "us-east-2")
    own = {one.id for one in aws.left() if one.kind == "vpc"}
    assert stranger in taken.ids["vpc"]
    assert own.isdisjoint(taken.ids["vpc"])
    steps = [entry.step for entry in read(aws.home.journal)[0] if entry.phase == "begin"]
    assert steps.index("baseline") < steps.index("resources")
    assert drift(aws.home, Silent()).ok

    filters = [{"Name": "vpc-id", "Values": [*own]}]
    instances = ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"]
    volume = instances[0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    by_hand = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    (shown,) = (one for one in sweep.sweep(aws.home.home, sweep.place_of_stack(Stack.load(aws.home)), Silent()).stacks)
    assert shown.in_use

    report = aws.down()
    assert report.ok
    swept = msgspec.json.decode(Path(report.certificate).read_bytes(), type=Certificate).swept
    assert swept is not None
    assert swept.baseline_at == taken.taken_at
    assert [(one.kind, one.id) for one in swept.untagged] == [("snapshot", by_hand)]
    there = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert by_hand in there
    ec2.delete_snapshot(SnapshotId=by_hand)
    ec2.delete_vpc(VpcId=stranger)


def test_another_account_is_neither_looked_at_nor_swept(aws: Aws) -> None:
    aws.brought_up()
    aws.move_to(OTHER)
    for look in (lambda: drift(aws.home, Silent()), lambda: sweep.place_of(aws.home, "", all_stacks=False)):
        with pytest.raises(DeployError) as refused:
            look()
        assert refused.value.code == "wrong_account"
    aws.move_to("123456789012")
