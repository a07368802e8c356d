"""Auto Scaling groups: they launch by EC2's rules, tell what failed, and do what was scheduled when its time comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.aws.network import Network, refused
from tests.sandbox.aws.timed import TimedAccount, timed

pytestmark = pytest.mark.slow

__all__ = ["timed"]

IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"


class Groups:
    """Groups in a network, each from a template of its own."""

    def __init__(self, timed: TimedAccount) -> None:
        self.clock = timed.clock
        self.ec2 = timed.ec2
        self.api = timed.clients.client("autoscaling")
        self.network = Network(timed.ec2)
        image = timed.clients.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
        self.data: dict[str, Any] = {
            "ImageId": image,
            "InstanceType": "g6e.xlarge",
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [self.network.group()]}],
            "InstanceInitiatedShutdownBehavior": "terminate",
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}],
        }
        self._names: list[str] = []

    def make(self, name: str, *, most: int = 1, **data: Any) -> str:
        full = f"{self.network.name}-{name}"
        made = self.ec2.create_launch_template(LaunchTemplateName=full, LaunchTemplateData={**self.data, **data})
        self.api.create_auto_scaling_group(
            AutoScalingGroupName=full,
            MinSize=0,
            MaxSize=most,
            VPCZoneIdentifier=self.network.subnet_id,
            LaunchTemplate={"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"], "Version": "1"},
            Tags=[{"Key": "until", "Value": "later", "PropagateAtLaunch": True}],
        )
        self._names.append(full)
        return full

    def instances(self, name: str) -> list[dict[str, Any]]:
        filters = [
            {"Name": "tag:aws:autoscaling:groupName", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        found = self.ec2.describe_instances(Filters=filters)["Reservations"]
        return [one for reservation in found for one in reservation["Instances"]]

    def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ][0]
        return found

    def clear(self) -> None:
        for name in self._names:
            self.api.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
            self.ec2.delete_launch_template(LaunchTemplateName=name)
        self.clock.forward(seconds=1)
        self.network.clear(self.clock.forward)


@pytest.fixture
def groups(timed: TimedAccount) -> Iterator[Groups]:
    made = Groups(timed)
    yield made
    made.clear()


def test_a_group_launches_from_its_template_into_its_subnet(groups: Groups) -> None:
    name = groups.make("one")
    assert groups.instances(name) == []
    groups.api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    (instance,) = groups.instances(name)
    assert (instance["SubnetId"], instance["InstanceType"]) == (groups.network.subnet_id, "g6e.xlarge")
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags.items() >= {"from": "template", "until": "later", "aws:autoscaling:groupName": name}.items()
    groups.clock.forward(seconds=1)
    (listed,) = groups.group(name)["Instances"]
    assert (listed["InstanceId"], listed["LifecycleState"]) == (instance["InstanceId"], "InService")
    behaviour = groups.ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_what_was_scheduled_is_done_in_its_time_and_once(groups: Groups) -> None:
    name = groups.make("switched")
    deadline = groups.clock.now + timedelta(hours=8)
    groups.api.put_scheduled_update_group_action(
        AutoScalingGroupName=name,
        ScheduledActionName=f"{name}-deadline",
        StartTime=deadline,
        MinSize=0,
        MaxSize=0,
        DesiredCapacity=0,
    )
    groups.api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    groups.clock.forward(hours=7, minutes=59)
    assert len(groups.instances(name)) == 1
    groups.clock.forward(minutes=1)
    assert groups.instances(name) == []
    assert (groups.group(name)["DesiredCapacity"], groups.group(name)["MaxSize"]) == (0, 0)
    assert groups.api.describe_scheduled_actions(AutoScalingGroupName=name)["ScheduledUpdateGroupActions"] == []
    refused(groups.api.set_desired_capacity, "ValidationError", AutoScalingGroupName=name, DesiredCapacity=1)


def test_an_action_in_the_past_is_refused(groups: Groups) -> None:
    name = groups.make("late")
    refused(
        groups.api.put_scheduled_update_group_action,
        "ValidationError",
        AutoScalingGroupName=name,
        ScheduledActionName="late",
        StartTime=groups.clock.now,
        DesiredCapacity=0,
    )


def test_a_launch_that_fails_is_told_as_an_activity(groups: Groups) -> None:
    name = groups.make("none", InstanceType="p5en.48xlarge", InstanceMarketOptions={"MarketType": "capacity-block"})
    groups.api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    assert groups.instances(name) == []
    (activity,) = groups.api.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
    assert activity["StatusCode"] == "Failed"
    assert "Capacity Block" in activity["StatusMessage"]


def test_a_group_is_lowered_by_its_bounds_and_deleted_when_empty(groups: Groups) -> None:
    name = groups.make("bounds")
    groups.api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    refused(groups.api.delete_auto_scaling_group, "ResourceInUse", AutoScalingGroupName=name)
    groups.api.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=0)
    assert groups.group(name)["DesiredCapacity"] == 0
    groups.clock.forward(seconds=1)
    assert groups.group(name)["Instances"] == []
