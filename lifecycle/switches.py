"""The switches that end a stack's nodes at its deadline: seen to stand before a node is started, moved, and used.

What Auto Scaling does is asked of EC2 as well: a group forgets an instance sooner than it ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from planner.capacity import moment
from planner.deadline import UNTIL_TAG, group_name, switch_name, written
from planner.errors import DeployError
from planner.plan import DeadlinePlan, NodePlan, Plan
from planner.progress import Progress
from sandbox.handlers.base import Clients
from sandbox.handlers.resource import STACK_TAG
from sandbox.handlers.waiting import wait_until

START_WITHIN_S = 900.0
"""Bound for a node to run, once its group was told."""
EMPTY_WITHIN_S = 900.0
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
NOTHING = dict.fromkeys(SIZES, 0)


def missing(clients: Clients, plan: Plan) -> tuple[NodePlan, ...]:
    """Return the nodes of a stack with a deadline that do not run."""
    return tuple(node for node in plan.nodes if not _running(clients, plan, node)) if plan.deadline else ()


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
    found = clients.client("autoscaling").describe_scheduled_actions(
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
    api, moved = clients.client("autoscaling"), 0
    for node in plan.nodes:
        api.put_scheduled_update_group_action(
            AutoScalingGroupName=group_name(plan.stack, node.name),
            ScheduledActionName=switch_name(plan.stack, node.name),
            StartTime=deadline.until,
            **NOTHING,
        )
        moved += 1
    running = [instance for node in plan.nodes for instance in _running(clients, plan, node)]
    if running:
        tag = {"Key": UNTIL_TAG, "Value": written(deadline.until)}
        clients.client("ec2").create_tags(Resources=running, Tags=[tag])
        moved += len(running)
    return moved + limit_reservation(clients, plan, deadline, progress)


def empty(clients: Clients, stack: str) -> int:
    """Tell every group of a stack to be empty and to stay so; return how many there are.

    Until that is said, the switches are left alone: a teardown that is killed leaves no machine without one.
    """
    api, names = clients.client("autoscaling"), groups_of(clients, stack)
    for name in names:
        api.update_auto_scaling_group(AutoScalingGroupName=name, **NOTHING)
    return len(names)


def groups_of(clients: Clients, stack: str) -> tuple[str, ...]:
    """Return the names of the groups that carry a stack's tag."""
    pages = clients.client("autoscaling").get_paginator("describe_auto_scaling_groups")
    found = pages.paginate(Filters=[{"Name": f"tag:{STACK_TAG}", "Values": [stack]}])
    return tuple(group["AutoScalingGroupName"] for page in found for group in page["AutoScalingGroups"])


def limit_reservation(clients: Clients, plan: Plan, deadline: DeadlinePlan, progress: Progress) -> int:
    """Give the stack's own reservations an end at the deadline; return how many. Those of others are left alone."""
    ids = {node.reservation_id for node in plan.nodes if node.capacity == "reservation"}
    if not ids:
        return 0
    ec2, limited = clients.client("ec2"), 0
    for one in ec2.describe_capacity_reservations(CapacityReservationIds=sorted(ids))["CapacityReservations"]:
        name = one["CapacityReservationId"]
        if {"Key": STACK_TAG, "Value": plan.stack} not in one.get("Tags", []):
            progress.warn(
                f"{name} is not this stack's: it bills on after the deadline, until whoever made it cancels it "
                f"(to hand it over, tag it {STACK_TAG}={plan.stack})"
            )
            continue
        ec2.modify_capacity_reservation(CapacityReservationId=name, EndDateType="limited", EndDate=deadline.until)
        limited += 1
    return limited


def _deadline_of(plan: Plan) -> DeadlinePlan:
    if plan.deadline is None:
        raise ValueError(f"stack {plan.stack} has no deadline")
    return plan.deadline


def _running(clients: Clients, plan: Plan, node: NodePlan, *states: str) -> list[str]:
    """Return the ids of a node's instances that are being started or run."""
    filters = [
        {"Name": "tag:aws:autoscaling:groupName", "Values": [group_name(plan.stack, node.name)]},
        {"Name": "instance-state-name", "Values": list(states or ("pending", "running"))},
    ]
    pages = clients.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]


def _group(clients: Clients, name: str) -> Mapping[str, Any]:
    found = clients.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    group: Mapping[str, Any] = found["AutoScalingGroups"][0]
    return group


def _fill(clients: Clients, plan: Plan, node: NodePlan) -> None:
    """Tell a node's group to start it. One that still counts a machine which is gone is told to forget it first."""
    api, name = clients.client("autoscaling"), group_name(plan.stack, node.name)
    if _group(clients, name)["DesiredCapacity"]:
        api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=0)
        wait_until(lambda: not _group(clients, name)["Instances"], f"{name} is empty", EMPTY_WITHIN_S)
    api.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)


def _await(clients: Clients, plan: Plan, node: NodePlan) -> None:
    """Wait until a node runs; if it cannot be started, empty its group, so that none comes when nobody looks."""
    asked, name = datetime.now(UTC), group_name(plan.stack, node.name)
    until, pause, why = time.monotonic() + START_WITHIN_S, 0.05, ""
    while not _running(clients, plan, node, "running"):
        why = _failure(clients, name, asked) or ("" if time.monotonic() < until else "it did not come in time")
        if why:
            clients.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=0)
            raise DeployError(
                f"{node.name} ({node.instance_type}) could not be started: {why}",
                hint=f"Its group is empty again, and costs nothing. `deploy up --stack {plan.stack}` tries again; "
                f"`deploy down --stack {plan.stack}` takes away the rest.",
                code="node_not_started",
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _failure(clients: Clients, name: str, asked: datetime) -> str:
    """Return what the newest of a group's activities failed with; nothing if it did not fail."""
    answer = clients.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=1)
    newest = next(iter(answer["Activities"]), None)
    if newest is None or newest["StatusCode"] != "Failed" or (asked - newest["StartTime"]).total_seconds() > _RECENT_S:
        return ""
    return str(newest.get("StatusMessage") or newest.get("Description", ""))


_RECENT_S = 60.0
"""An activity of the same attempt is not older than that; clocks may differ a little."""
