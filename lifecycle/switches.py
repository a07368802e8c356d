"""The switches that end a stack's nodes at its deadline: seen to stand before a node is started, moved, and used.

What Auto Scaling does is asked of EC2 as well: a group forgets an instance sooner than it ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lifecycle.aws.asking import ask, ask_all
from planner.capacity import moment
from planner.deadline import group_name, switch_name, written
from planner.errors import DeployError
from planner.plan import DeadlinePlan, NodePlan, Plan
from planner.progress import Progress
from planner.tags import STACK_TAG, UNTIL_TAG
from sandbox.handlers.base import Clients
from sandbox.handlers.waiting import wait_until

START_WITHIN_S = 900.0
"""Bound for a node to run, once its group was told."""
EMPTY_WITHIN_S = 900.0
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
NOTHING = dict.fromkeys(SIZES, 0)


def missing(clients: Clients, plan: Plan) -> tuple[NodePlan, ...]:
    """Return the nodes of a stack with a deadline that do not run."""
    if plan.deadline is None:
        return ()
    there = {_group_of(one) for one in _instances(clients, plan.stack)}
    return tuple(node for node in plan.nodes if group_name(plan.stack, node.name) not in there)


def start(clients: Clients, plan: Plan, progress: Progress) -> None:
    """Fill the groups of nodes that do not run, after the account has said that their switches stand.

    Raises:
        DeployError: a switch does not stand, or a node could not be started: its group is empty again then.

    """
    deadline = _deadline_of(plan)
    for node in plan.nodes:
        check(clients, plan, node)
    limit_reservation(clients, plan, deadline, progress)
    lost = missing(clients, plan)
    for node in lost:
        _fill(clients, plan, node)
    for node in lost:
        _await(clients, plan, node)


def check(clients: Clients, plan: Plan, node: NodePlan) -> None:
    """Ask the account whether a node's switch stands.

    Raises:
        DeployError: it does not, or does not in time.

    """
    deadline = _deadline_of(plan)
    found = ask(
        clients,
        "autoscaling",
        "describe_scheduled_actions",
        AutoScalingGroupName=group_name(plan.stack, node.name),
        ScheduledActionNames=[switch_name(plan.stack, node.name)],
    )["ScheduledUpdateGroupActions"]
    stands = any(
        all(action.get(size) == 0 for size in SIZES) and action["StartTime"] <= deadline.until for action in found
    )
    if not stands:
        raise DeployError(
            f"{node.name} is not started: nothing in the account ends it at {moment(deadline.until)}",
            hint=f"`deploy up --stack {plan.stack}` puts the switch back; `deploy down --stack {plan.stack}` takes the "
            "stack away.",
            code="switch_missing",
        )


def move(clients: Clients, plan: Plan, progress: Progress) -> int:
    """Move every switch to the plan's deadline, and return how many there are.

    Each is moved by one call that puts the new moment in the place of the old one: there is always one. The account's
    switches go first, because they need no host.
    """
    deadline = _deadline_of(plan)
    for node in plan.nodes:
        ask(
            clients,
            "autoscaling",
            "put_scheduled_update_group_action",
            AutoScalingGroupName=group_name(plan.stack, node.name),
            ScheduledActionName=switch_name(plan.stack, node.name),
            StartTime=deadline.until,
            **NOTHING,
        )
    running = [one["InstanceId"] for one in _instances(clients, plan.stack)]
    if running:
        tag = {"Key": UNTIL_TAG, "Value": written(deadline.until)}
        ask(clients, "ec2", "create_tags", Resources=running, Tags=[tag])
    return len(plan.nodes) + len(running) + limit_reservation(clients, plan, deadline, progress)


def empty(clients: Clients, stack: str) -> int:
    """Tell every group of a stack to be empty and to stay so; return how many there are.

    Until that is said, the switches are left alone: a teardown that is killed leaves no machine without one.
    """
    names = groups_of(clients, stack)
    for name in names:
        ask(clients, "autoscaling", "update_auto_scaling_group", AutoScalingGroupName=name, **NOTHING)
    return len(names)


def groups_of(clients: Clients, stack: str) -> tuple[str, ...]:
    """Return the names of the groups that carry a stack's tag."""
    mine = [{"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    found = ask_all(clients, "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", Filters=mine)
    return tuple(group["AutoScalingGroupName"] for group in found)


def limit_reservation(clients: Clients, plan: Plan, deadline: DeadlinePlan, progress: Progress) -> int:
    """Give the stack's own reservations an end at the deadline; return how many. Those of others are left alone."""
    ids = {node.reservation_id for node in plan.nodes if node.capacity == "reservation"}
    if not ids:
        return 0
    limited = 0
    found = ask(clients, "ec2", "describe_capacity_reservations", CapacityReservationIds=sorted(ids))
    for one in found["CapacityReservations"]:
        name = one["CapacityReservationId"]
        if {"Key": STACK_TAG, "Value": plan.stack} not in one.get("Tags", []):
            progress.warn(
                f"{name} is not this stack's: it bills on after the deadline, until whoever made it cancels it "
                f"(to hand it over, tag it {STACK_TAG}={plan.stack})"
            )
            continue
        ask(
            clients,
            "ec2",
            "modify_capacity_reservation",
            CapacityReservationId=name,
            EndDateType="limited",
            EndDate=deadline.until,
        )
        limited += 1
    return limited


def _deadline_of(plan: Plan) -> DeadlinePlan:
    if plan.deadline is None:
        raise ValueError(f"stack {plan.stack} has no deadline")
    return plan.deadline


def _instances(clients: Clients, stack: str) -> list[Mapping[str, Any]]:
    """Return the stack's instances that are being started or run."""
    filters = [
        {"Name": f"tag:{STACK_TAG}", "Values": [stack]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    found = ask_all(clients, "ec2", "describe_instances", "Reservations", Filters=filters)
    return [instance for reservation in found for instance in reservation["Instances"]]


def _group_of(instance: Mapping[str, Any]) -> str:
    """Return the name of the group that an instance came from; empty for none."""
    return next((tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "aws:autoscaling:groupName"), "")


def _group(clients: Clients, name: str) -> Mapping[str, Any]:
    found = ask(clients, "autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
    group: Mapping[str, Any] = found["AutoScalingGroups"][0]
    return group


def _set_size(clients: Clients, name: str, size: int) -> None:
    ask(clients, "autoscaling", "set_desired_capacity", AutoScalingGroupName=name, DesiredCapacity=size)


def _fill(clients: Clients, plan: Plan, node: NodePlan) -> None:
    """Tell a node's group to start it. One that still counts a machine which is gone is told to forget it first."""
    name = group_name(plan.stack, node.name)
    if _group(clients, name)["DesiredCapacity"]:
        _set_size(clients, name, 0)
        try:
            wait_until(lambda: not _group(clients, name)["Instances"], f"{name} is empty", EMPTY_WITHIN_S)
        except TimeoutError as error:
            raise DeployError(
                f"{node.name} is gone, and its group does not forget it: {error}",
                hint=f"`deploy up --stack {plan.stack}` tries again; `deploy down --stack {plan.stack}` takes the "
                "stack away.",
                code="node_not_started",
            ) from error
    _set_size(clients, name, 1)


def _await(clients: Clients, plan: Plan, node: NodePlan) -> None:
    """Wait until a node runs; if it cannot be started, empty its group, so that none comes when nobody looks."""
    asked, name = datetime.now(UTC), group_name(plan.stack, node.name)
    until, pause, why = time.monotonic() + START_WITHIN_S, 0.05, ""
    while not any(_runs(one, name) for one in _instances(clients, plan.stack)):
        why = _failure(clients, name, asked) or ("" if time.monotonic() < until else "it did not come in time")
        if why:
            _set_size(clients, name, 0)
            raise DeployError(
                f"{node.name} ({node.instance_type}) could not be started: {why}",
                hint=f"Its group is empty again, and costs nothing. `deploy up --stack {plan.stack}` tries again; "
                f"`deploy down --stack {plan.stack}` takes away the rest.",
                code="node_not_started",
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _runs(instance: Mapping[str, Any], group: str) -> bool:
    return _group_of(instance) == group and instance["State"]["Name"] == "running"


def _failure(clients: Clients, name: str, asked: datetime) -> str:
    """Return what the newest of a group's activities failed with; nothing if it did not fail."""
    answer = ask(clients, "autoscaling", "describe_scaling_activities", AutoScalingGroupName=name, MaxRecords=1)
    newest = next(iter(answer["Activities"]), None)
    if newest is None or newest["StatusCode"] != "Failed" or (asked - newest["StartTime"]).total_seconds() > _RECENT_S:
        return ""
    return str(newest.get("StatusMessage") or newest.get("Description", ""))


_RECENT_S = 60.0
"""An activity of the same attempt is not older than that; clocks may differ a little."""
