"""What acts by itself when a time comes: it goes first, lest it start again what was ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.sweeping.ec2 import goes_with_its_owner
from lifecycle.sweeping.records import Kind, Place, Thing, pages, refs, tags_of
from planner.partitions import partition_of

_DEFAULT_GROUP = "default"
"""The schedule group that every account has, and that no stack makes."""


def _groups(place: Place) -> Iterator[Thing]:
    for page in pages(place.client("autoscaling"), "describe_auto_scaling_groups"):
        for record in page["AutoScalingGroups"]:
            yield Thing(
                kind="auto-scaling-group",
                id=record["AutoScalingGroupName"],
                tags=tags_of(record.get("Tags")),
                refs=refs(*(str(record.get("VPCZoneIdentifier") or "").split(","))),
                going=bool(record.get("Status")),  # it has one only while it is being deleted
                detail=f"{record['DesiredCapacity']} wanted, {record['MaxSize']} at most",
                record=record,
            )


def _delete_group(place: Place, thing: Thing) -> None:
    """Delete a group with its instances and its scheduled actions."""
    place.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=thing.id, ForceDelete=True)


def _actions(place: Place) -> Iterator[Thing]:
    """List scheduled actions; they take no tags, and are their group's."""
    owners = {group.id: group for group in _groups(place)}
    for page in pages(place.client("autoscaling"), "describe_scheduled_actions"):
        for record in page["ScheduledUpdateGroupActions"]:
            group = owners.get(record["AutoScalingGroupName"])
            if group is None:
                continue  # it went between the two calls, and its actions with it
            yield Thing(
                kind="scheduled-action",
                id=f"{record['AutoScalingGroupName']}/{record['ScheduledActionName']}",
                tags=group.tags,
                owner=group.id,
                record=record,
            )


def _schedule_groups(place: Place) -> Iterator[Thing]:
    scheduler = place.client("scheduler")
    listed = [one for page in pages(scheduler, "list_schedule_groups") for one in page["ScheduleGroups"]]
    records = [one for one in listed if one["Name"] != _DEFAULT_GROUP]
    answers = place.each(lambda record: scheduler.list_tags_for_resource(ResourceArn=record["Arn"]), records)
    for record, answer in zip(records, answers, strict=True):
        yield Thing(
            kind="schedule-group",
            id=record["Name"],
            tags=tags_of(answer.get("Tags")),
            going=record.get("State") == "DELETING",
            record=record,
        )


def _delete_schedule_group(place: Place, thing: Thing) -> None:
    """Delete a group with the schedules in it."""
    place.client("scheduler").delete_schedule_group(Name=thing.id)


def _schedules(place: Place) -> Iterator[Thing]:
    """List schedules; they take no tags, and are their group's."""
    owners = {group.id: group for group in _schedule_groups(place)}
    for page in pages(place.client("scheduler"), "list_schedules"):
        for record in page["Schedules"]:
            group = owners.get(record.get("GroupName", _DEFAULT_GROUP))
            yield Thing(
                kind="schedule",
                id=f"{record.get('GroupName', _DEFAULT_GROUP)}/{record['Name']}",
                tags=group.tags if group else {},
                owner=group.id if group else "",
                record=record,
            )


def _budgets(place: Place) -> Iterator[Thing]:
    """List budgets, where the partition has any."""
    if not partition_of(place.region).budgets:
        return
    client = place.client("budgets")
    listed: list[dict[str, Any]] = []
    for page in pages(client, "describe_budgets", AccountId=place.account):
        listed += page.get("Budgets") or []
    tags = place.each(lambda record: _budget_tags(client, place, record), listed)
    for record, found in zip(listed, tags, strict=True):
        yield Thing(kind="budget", id=record["BudgetName"], tags=found, record=record)


def _budget_tags(client: Any, place: Place, record: dict[str, Any]) -> dict[str, str]:
    arn = f"arn:{place.partition}:budgets::{place.account}:budget/{record['BudgetName']}"
    return tags_of(client.list_tags_for_resource(ResourceARN=arn).get("ResourceTags"))


def _delete_budget(place: Place, thing: Thing) -> None:
    place.client("budgets").delete_budget(AccountId=place.account, BudgetName=thing.id)


DEADLINES: tuple[Kind, ...] = (
    Kind(
        "auto-scaling-group",
        "auto scaling groups",
        "autoscaling",
        ("autoscaling:DescribeAutoScalingGroups",),
        _groups,
        _delete_group,
    ),
    Kind(
        "scheduled-action",
        "scheduled actions",
        "autoscaling",
        ("autoscaling:DescribeScheduledActions", "autoscaling:DescribeAutoScalingGroups"),
        _actions,
        goes_with_its_owner,
    ),
    Kind(
        "schedule-group",
        "schedule groups",
        "scheduler",
        ("scheduler:ListScheduleGroups", "scheduler:ListTagsForResource"),
        _schedule_groups,
        _delete_schedule_group,
    ),
    Kind(
        "schedule",
        "schedules",
        "scheduler",
        ("scheduler:ListSchedules", "scheduler:ListScheduleGroups", "scheduler:ListTagsForResource"),
        _schedules,
        goes_with_its_owner,
    ),
    Kind(
        "budget",
        "budgets",
        "budgets",
        ("budgets:ViewBudget", "budgets:ListTagsForResource"),
        _budgets,
        _delete_budget,
        everywhere=True,
    ),
)
