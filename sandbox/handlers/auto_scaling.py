"""Auto Scaling groups and what is scheduled for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from planner.tags import RESOURCE_TAG, STACK_TAG
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target
from sandbox.handlers.waiting import remove_when_free, wait_until

_PAST_S = 900.0
"""Bound for the instances of a group to end: machines with many GPUs take minutes."""


def _tags(inputs: Properties) -> list[dict[str, Any]]:
    """Return the tags as the API takes them, each with the word on whether instances get it."""
    return [
        {
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": tag["propagateAtLaunch"],
            "ResourceId": inputs["name"],
            "ResourceType": "auto-scaling-group",
        }
        for tag in inputs.get("tags") or []
    ]


def _template(inputs: Properties) -> dict[str, Any]:
    return {"LaunchTemplateId": inputs["launchTemplate"]["id"], "Version": str(inputs["launchTemplate"]["version"])}


class Group(Resource):
    """`aws:autoscaling/group:Group`, from a launch template. Its id is its name.

    How many instances it has is no input: a program that could say so would start them before it could end them.
    """

    type = "aws:autoscaling/group:Group"
    fixed = frozenset({"name"})
    in_place = frozenset({"launchTemplate", "maxSize", "minSize", "suspendedProcesses", "tags", "vpcZoneIdentifiers"})
    required = frozenset({"launchTemplate", "maxSize", "minSize", "name", "vpcZoneIdentifiers"})
    unordered = frozenset({"suspendedProcesses", "tags", "vpcZoneIdentifiers"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the group; it has its least size."""
        clients.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=inputs["name"],
            MinSize=inputs["minSize"],
            MaxSize=inputs["maxSize"],
            VPCZoneIdentifier=",".join(inputs["vpcZoneIdentifiers"]),
            LaunchTemplate=_template(inputs),
            Tags=_tags(inputs),
        )
        return str(inputs["name"])

    def complete(self, target: Target) -> None:
        """Suspend the processes, which cannot be said when the group is made."""
        if processes := target.inputs.get("suspendedProcesses"):
            api = target.clients.client("autoscaling")
            api.suspend_processes(AutoScalingGroupName=target.id, ScalingProcesses=sorted(processes))

    def describe(self, target: Target) -> Record | None:
        """Return the group; None when it is gone, or about to be."""
        api = target.clients.client("autoscaling")
        found = api.describe_auto_scaling_groups(AutoScalingGroupNames=[target.id])["AutoScalingGroups"]
        return next((one for one in found if not one.get("Status")), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the group of that name, if it carries the resource's own tags."""
        record = self.describe(Target(clients, inputs["name"], inputs))
        wanted = {tag["key"]: tag["value"] for tag in inputs.get("tags") or []}
        mine = {key: wanted[key] for key in (RESOURCE_TAG, STACK_TAG) if key in wanted}
        if record is not None and mine:
            carried = {tag["Key"]: tag["Value"] for tag in record["Tags"]}
            if mine.items() <= carried.items():
                yield record["AutoScalingGroupName"], record

    def change(self, change: Change) -> None:
        """Change what the group says; instances that it has stay as they are."""
        api, name, inputs = change.clients.client("autoscaling"), change.id, change.inputs
        sizes = {"maxSize": "MaxSize", "minSize": "MinSize"}
        arguments: dict[str, Any] = {api_name: inputs[one] for one, api_name in sizes.items() if one in change.names}
        if "launchTemplate" in change.names:
            arguments["LaunchTemplate"] = _template(inputs)
        if "vpcZoneIdentifiers" in change.names:
            arguments["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
        if arguments:
            api.update_auto_scaling_group(AutoScalingGroupName=name, **arguments)
        if "suspendedProcesses" in change.names:
            wanted, before = {*inputs.get("suspendedProcesses", [])}, {*change.old.get("suspendedProcesses", [])}
            if before - wanted:
                api.resume_processes(AutoScalingGroupName=name, ScalingProcesses=sorted(before - wanted))
            self.complete(change)
        if "tags" in change.names:
            self._retag_group(change)

    @staticmethod
    def _retag_group(change: Change) -> None:
        api, kept = change.clients.client("autoscaling"), {tag["Key"] for tag in _tags(change.inputs)}
        dropped = [tag for tag in _tags({**change.old, "name": change.id}) if tag["Key"] not in kept]
        if dropped:
            api.delete_tags(Tags=dropped)
        if kept:
            api.create_or_update_tags(Tags=_tags(change.inputs))

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        template = record["LaunchTemplate"]
        tags = (tag for tag in record["Tags"] if not tag["Key"].startswith("aws:"))
        return {
            "arn": record["AutoScalingGroupARN"],
            "name": record["AutoScalingGroupName"],
            "minSize": record["MinSize"],
            "maxSize": record["MaxSize"],
            "launchTemplate": {"id": template["LaunchTemplateId"], "version": template["Version"]},
            "suspendedProcesses": sorted(one["ProcessName"] for one in record["SuspendedProcesses"]),
            "vpcZoneIdentifiers": record["VPCZoneIdentifier"].split(","),
            "tags": sorted(
                (
                    {"key": tag["Key"], "value": tag["Value"], "propagateAtLaunch": tag["PropagateAtLaunch"]}
                    for tag in tags
                ),
                key=lambda tag: str(tag["key"]),
            ),
        }

    def retag(self, change: Change) -> None:
        """Do nothing: `change` has done it."""

    def remove(self, target: Target) -> None:
        """Let the group's instances end, wait until they have, and delete it."""
        api = target.clients.client("autoscaling")
        if self.describe(target) is not None:
            api.update_auto_scaling_group(AutoScalingGroupName=target.id, MinSize=0, MaxSize=0, DesiredCapacity=0)
            wait_until(lambda: not _living(target), f"the instances of {target.id} have ended", _PAST_S)
            delete = api.delete_auto_scaling_group
            remove_when_free(lambda: delete(AutoScalingGroupName=target.id), target.id)
        wait_until(lambda: self.describe(target) is None, f"{target.id} is gone", _PAST_S)


def _living(target: Target) -> list[str]:
    """Return the ids of what a group launched and what has not ended: the group itself forgets them sooner."""
    filters = [
        {"Name": "tag:aws:autoscaling:groupName", "Values": [target.id]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "shutting-down", "stopping", "stopped"]},
    ]
    pages = target.ec2.get_paginator("describe_instances").paginate(Filters=filters)
    return [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]


_SIZES = {"desiredCapacity": "DesiredCapacity", "maxSize": "MaxSize", "minSize": "MinSize"}


class Schedule(Resource):
    """`aws:autoscaling/schedule:Schedule`: a size that a group gets at a time. Its id is its name; it has no tags."""

    type = "aws:autoscaling/schedule:Schedule"
    fixed = frozenset({"autoscalingGroupName", "scheduledActionName"})
    in_place = frozenset({"startTime", *_SIZES})
    required = frozenset({*fixed, *in_place})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Schedule it. The same call changes what is scheduled under this name already: at no moment is there none."""
        clients.client("autoscaling").put_scheduled_update_group_action(
            AutoScalingGroupName=inputs["autoscalingGroupName"],
            ScheduledActionName=inputs["scheduledActionName"],
            StartTime=datetime.fromisoformat(inputs["startTime"]),
            **{api_name: inputs[name] for name, api_name in _SIZES.items()},
        )
        return str(inputs["scheduledActionName"])

    def describe(self, target: Target) -> Record | None:
        """Return what is scheduled; None when it was carried out, or its group is gone."""
        found = target.clients.client("autoscaling").describe_scheduled_actions(
            AutoScalingGroupName=target.inputs["autoscalingGroupName"], ScheduledActionNames=[target.id]
        )["ScheduledUpdateGroupActions"]
        return next(iter(found), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the action of that name."""
        record = self.describe(Target(clients, inputs["scheduledActionName"], inputs))
        if record is not None:
            yield record["ScheduledActionName"], record

    def fits(self, inputs: Properties, record: Record) -> bool:
        """Tell whether the action found is for the time and sizes asked for; it has no tags to tell whose it is."""
        seen: Mapping[str, Any] = self._said(record)
        return all(seen[name] == inputs[name] for name in self.in_place)

    def change(self, change: Change) -> None:
        """Schedule it anew."""
        self.make(change.clients, change.inputs)

    @staticmethod
    def _said(record: Record) -> Properties:
        return {
            "startTime": record["StartTime"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{name: record[api_name] for name, api_name in _SIZES.items()},
        }

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": record["ScheduledActionARN"],
            "autoscalingGroupName": record["AutoScalingGroupName"],
            "scheduledActionName": record["ScheduledActionName"],
            **self._said(record),
        }

    def remove(self, target: Target) -> None:
        """Take it from the schedule."""
        if self.describe(target) is not None:
            target.clients.client("autoscaling").delete_scheduled_action(
                AutoScalingGroupName=target.inputs["autoscalingGroupName"], ScheduledActionName=target.id
            )
