"""Auto Scaling groups as AWS has them: they launch by EC2's own rules, and do at its time what was scheduled.

moto keeps the groups. It would launch into them by rules of its own, and never carries out a scheduled action.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState, autoscaling_backends

from sandbox.aws import instances, launch
from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError
from sandbox.aws.region import Region

MOST_ACTIVITIES = 100
"""Activities that are remembered of a region."""


@dataclass
class Activities:
    """What the groups of a region tried, the newest first, as DescribeScalingActivities tells it."""

    told: list[dict[str, Any]] = field(default_factory=list)


def _backend(region: Region) -> AutoScalingBackend:
    backend: AutoScalingBackend = autoscaling_backends[ACCOUNT_ID][region.name]
    return backend


def _group(region: Region, name: str) -> FakeAutoScalingGroup:
    group = _backend(region).autoscaling_groups.get(name)
    if group is None:
        raise AwsError("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def settle(region: Region) -> None:
    """Carry out what was scheduled for a time that has come."""
    backend = _backend(region)
    for name, action in list(backend.scheduled_actions.items()):
        start, group = action.start_time, backend.autoscaling_groups.get(action.auto_scaling_group_name)
        if group is None:
            del backend.scheduled_actions[name]  # it goes with its group
        elif start is not None and _utc(start) <= region.now():
            del backend.scheduled_actions[name]  # once
            group.min_size = action.min_size if action.min_size is not None else group.min_size
            group.max_size = action.max_size if action.max_size is not None else group.max_size
            _resize(region, group, action.desired_capacity)


def _utc(moment: Any) -> datetime:
    read = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _resize(region: Region, group: FakeAutoScalingGroup, wanted: int | None) -> None:
    """Launch or terminate until the group has the size that is wanted, within its bounds."""
    asked = wanted if wanted is not None else group.desired_capacity or 0
    size = max(group.min_size or 0, min(asked, group.max_size or 0))
    group.desired_capacity = size
    group.instance_states = [one for one in group.instance_states if one.instance.state != "terminated"]
    while len(group.instance_states) > size:
        leaving = group.instance_states.pop(0).instance
        instances.end(region, [leaving])
    while len(group.instance_states) < size:
        try:
            made = instances.start(region, _launch(region, group))
        except AwsError as error:
            _tell(region, group, "Failed", f"{error.message}. Launching EC2 instance failed.")
            return
        made.autoscaling_group = group  # type: ignore[attr-defined]  # as moto marks what its groups launch
        group.instance_states.append(InstanceState(made))
        _tell(region, group, "Successful", f"Launching a new EC2 instance: {made.id}")


def _launch(region: Region, group: FakeAutoScalingGroup) -> launch.Parameters:
    """Return the request that the group makes: its template, in its subnet, with the tags that it hands on."""
    reference = group.launch_template or {}
    subnet = (group.vpc_zone_identifier or "").split(",")[0]
    tags = [{"Key": "aws:autoscaling:groupName", "Value": group.name}]
    tags += [{"Key": one["Key"], "Value": one["Value"]} for one in group.tags if one["PropagateAtLaunch"]]
    asked = launch.effective(
        region,
        {
            "LaunchTemplate": {key: value for key, value in reference.items() if key != "LaunchTemplateName"},
            "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
            "MinCount": 1,
            "MaxCount": 1,
        },
    )
    nics = [{**one, "SubnetId": subnet} for one in asked.get("NetworkInterfaces", [])]
    return {**asked, **({"NetworkInterfaces": nics} if nics else {"SubnetId": subnet})}


def _tell(region: Region, group: FakeAutoScalingGroup, status: str, message: str) -> None:
    told = region.part(Activities).told
    activity = {
        "ActivityId": f"{len(told):08d}",
        "AutoScalingGroupName": group.name,
        "Description": message,
        "Cause": f"a difference between desired and actual capacity of {group.name}",
        "StartTime": region.now(),
        "EndTime": region.now(),
        "StatusCode": status,
        "StatusMessage": message if status == "Failed" else "",
        "Progress": 100,
    }
    told.insert(0, activity)
    del told[MOST_ACTIVITIES:]


def _create(call: Call) -> object:
    """Make the group empty, then let it launch."""
    asked = call.parameters
    _check_bounds(asked.get("DesiredCapacity"), asked["MinSize"], asked["MaxSize"])
    response = call.forward({**asked, "MinSize": 0, "DesiredCapacity": 0})
    if response.status == 200:
        group = _group(call.region, asked["AutoScalingGroupName"])
        group.min_size = asked["MinSize"]
        _resize(call.region, group, asked.get("DesiredCapacity", asked["MinSize"]))
    return response


def _update(call: Call) -> object:
    asked = call.parameters
    group = _group(call.region, asked["AutoScalingGroupName"])
    low, high = asked.get("MinSize", group.min_size or 0), asked.get("MaxSize", group.max_size or 0)
    _check_bounds(asked.get("DesiredCapacity"), low, high)
    kept, sizes = group.instance_states, {"MinSize", "MaxSize", "DesiredCapacity"}
    template = {} if asked.get("LaunchTemplate") else {"LaunchTemplate": _reference(group)}
    response = call.forward({**template, **{name: value for name, value in asked.items() if name not in sizes}})
    if response.status == 200:
        group.instance_states, group.min_size, group.max_size = kept, low, high
        _resize(call.region, group, asked.get("DesiredCapacity"))
    return response


def _reference(group: FakeAutoScalingGroup) -> dict[str, Any]:
    """Return the group's template as a request names it: moto takes its absence for the wish to have none."""
    return {key: value for key, value in (group.launch_template or {}).items() if key != "LaunchTemplateName" and value}


def _check_bounds(desired: int | None, low: int, high: int) -> None:
    if low > high:
        raise AwsError("ValidationError", f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and not low <= desired <= high:
        bound = f"below min value {low}" if desired < low else f"above max value {high}"
        raise AwsError(
            "ValidationError", f"New SetDesiredCapacity value {desired} is {bound} for the AutoScalingGroup."
        )


def _set_desired(call: Call) -> object:
    group = _group(call.region, call.parameters["AutoScalingGroupName"])
    desired = call.parameters["DesiredCapacity"]
    _check_bounds(desired, group.min_size or 0, group.max_size or 0)
    _resize(call.region, group, desired)
    return {}


def _delete(call: Call) -> object:
    """Delete a group that is empty; with force, its instances as well."""
    region, name = call.region, call.parameters["AutoScalingGroupName"]
    group = _group(region, name)
    living = [one.instance for one in group.instance_states if one.instance.state != "terminated"]
    if living and not call.parameters.get("ForceDelete"):
        raise AwsError("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances still in it.")
    instances.end(region, living)
    group.instance_states = []
    return call.forward()


def _schedule(call: Call) -> object:
    """Take an action for a time that is to come, or change the one of that name."""
    asked = call.parameters
    group = _group(call.region, asked["AutoScalingGroupName"])
    start = asked.get("StartTime")
    if start is not None and _utc(start) <= call.region.now():
        raise AwsError("ValidationError", "Given start time is in the past")
    response = call.forward()
    if response.status == 200:
        backend, action = _backend(call.region), asked["ScheduledActionName"]
        where = f"{backend.partition}:autoscaling:{call.region.name}:{ACCOUNT_ID}:scheduledUpdateGroupAction"
        arn = f"arn:{where}:{uuid.uuid4()}:autoScalingGroupName/{group.name}:scheduledActionName/{action}"
        vars(backend.scheduled_actions[action])["scheduled_action_arn"] = arn  # which moto's answer lacks
    return response


def _activities(call: Call) -> object:
    name = call.parameters.get("AutoScalingGroupName")
    told = call.region.part(Activities).told
    return {"Activities": [one for one in told if name in {None, one["AutoScalingGroupName"]}]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("autoscaling", "CreateAutoScalingGroup"): _create,
    ("autoscaling", "DeleteAutoScalingGroup"): _delete,
    ("autoscaling", "DescribeScalingActivities"): _activities,
    ("autoscaling", "PutScheduledUpdateGroupAction"): _schedule,
    ("autoscaling", "SetDesiredCapacity"): _set_desired,
    ("autoscaling", "UpdateAutoScalingGroup"): _update,
}
