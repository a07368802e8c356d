"""What is to end by itself cannot be started before it can be ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from planner.deadline import written
from planner.plan import DeadlinePlan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_off, is_set, must_be_own, own_value, require

GROUP = "aws:autoscaling/group:Group"
SCHEDULE = "aws:autoscaling/schedule:Schedule"
INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
SUBNET = "aws:ec2/subnet:Subnet"

SWITCH_PROCESSES = frozenset({"Launch", "ScheduledActions", "Terminate"})
"""Processes without which a scheduled action ends nothing."""
OTHER_SOURCES = ("launchConfiguration", "mixedInstancesPolicy", "warmPool")
"""Ways for a group to have machines that no rule judges."""
SIZES = ("desiredCapacity", "maxSize", "minSize")


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge a group by itself."""
    group = resource.inputs
    yield from _must_be_empty(group)
    yield from require(
        at(group, "protectFromScaleIn"), is_off, "protectFromScaleIn", "its machines are protected from being ended"
    )
    for path, process in each(group, "suspendedProcesses"):
        message = f"the process {process} is suspended, without which the switch ends nothing"
        yield from require(process, lambda name: name not in SWITCH_PROCESSES, path, message)
    for name in OTHER_SOURCES:
        if is_set(at(group, name)):
            yield Violated(f"the group has machines by `{name}`, which no rule judges")


def _must_be_empty(group: Any) -> Iterator[Answer]:
    least = at(group, "minSize")
    yield from require(least, lambda size: size == 0, "minSize", f"the group is never empty: its least size is {least}")
    if is_set(at(group, "desiredCapacity")):
        yield Violated("the group starts machines when it is made: the switch comes after it (`desiredCapacity`)")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge that every group has its switch, and that where there is a deadline, nothing runs without one."""
    for group in stack.of_type(GROUP):
        yield from must_be_own(stack, group, "launchTemplate.id", LAUNCH_TEMPLATE)
        for path, subnet in each(group.inputs, "vpcZoneIdentifiers"):
            yield from own_value(stack, group, path, subnet, SUBNET)
        yield from _switched(stack, group)
    if stack.plan is None:
        if any(stack.of_type(GROUP)):
            yield NotKnown("the plan's deadline")
        return
    if stack.plan.deadline:
        yield from (
            Violated("the stack has a deadline, and this machine has no switch that ends it", instance)
            for instance in stack.of_type(INSTANCE)
            if not _of_a_group(stack, instance)
        )
        for template in stack.of_type(LAUNCH_TEMPLATE):
            yield from _ends_when_told(template)


def _of_a_group(stack: Stack, instance: Resource) -> bool:
    """Tell whether a group of the stack started a machine, as the account says of one that runs."""
    return stack.contains(at(instance.inputs, "autoscalingGroupName"), GROUP, seen_from=instance) is True


def _ends_when_told(template: Resource) -> Iterator[Answer]:
    protected = at(template.inputs, "disableApiTermination")
    if not is_off(protected):
        yield Violated("its machines are protected from termination, and outlive the deadline", template)
    if at(template.inputs, "instanceInitiatedShutdownBehavior") != "terminate":
        yield Violated("a machine that shuts itself down at the deadline is only stopped, and its disk stays", template)


def _switched(stack: Stack, group: Resource) -> Iterator[Answer]:
    """Judge what is scheduled for a group: something must empty it for good, at the deadline and not later."""
    mine = [
        schedule
        for schedule in stack.of_type(SCHEDULE)
        if group.urn in schedule.dependencies or at(schedule.inputs, "autoscalingGroupName") == at(group.inputs, "name")
    ]
    if not mine:
        yield Violated("nothing is scheduled that empties the group", group)
    for schedule in mine:
        for name in SIZES:
            value = at(schedule.inputs, name)
            if value is UNKNOWN:
                yield NotKnown(name, schedule)
            elif value != 0:
                yield Violated(f"what is scheduled does not empty the group for good: `{name}` is {value}", schedule)
        if is_set(at(schedule.inputs, "recurrence")):
            yield Violated("what is scheduled comes again and again (`recurrence`), and not at the deadline", schedule)
        if stack.plan is not None:
            yield from _in_time(schedule, stack.plan.deadline)


def _in_time(schedule: Resource, deadline: DeadlinePlan | None) -> Iterator[Answer]:
    start = at(schedule.inputs, "startTime")
    if deadline is None:
        yield Violated("the plan has no deadline, and a group is emptied at one", schedule)
    elif start is UNKNOWN:
        yield NotKnown("startTime", schedule)
    elif not start or datetime.fromisoformat(start) > deadline.until:
        yield Violated(f"the group is emptied at {start}, the plan's deadline is {written(deadline.until)}", schedule)


_UNTIL = datetime.fromisoformat("2026-12-01T18:00:00+00:00")
_PLAN = msgspec.structs.replace(
    examples.plan(),
    deadline=DeadlinePlan(
        since=datetime.fromisoformat("2026-12-01T10:00:00+00:00"),
        until=_UNTIL,
        max_cost_usd=None,
        worst_case_usd=None,
    ),
)
_SUBNET = examples.resource(SUBNET, "private-a")
_TEMPLATE = examples.resource(LAUNCH_TEMPLATE, "node-0", instanceInitiatedShutdownBehavior="terminate")


def _stack(*resources: Resource, template: Resource = _TEMPLATE) -> tuple[Resource, ...]:
    return (_SUBNET, template, *resources)


def _group(**inputs: Any) -> Resource:
    usual: dict[str, Any] = {
        "minSize": 0,
        "maxSize": 1,
        "launchTemplate": {"id": UNKNOWN, "version": "1"},
        "vpcZoneIdentifiers": [UNKNOWN],
    }
    return examples.resource(GROUP, "node-0-group", after=(_TEMPLATE, _SUBNET), **{**usual, **inputs})


def _switch(**inputs: Any) -> Resource:
    usual = {"startTime": written(_UNTIL), **dict.fromkeys(SIZES, 0)}
    return examples.resource(SCHEDULE, "node-0-switch", after=(_group(),), **{**usual, **inputs})


def _template(**inputs: Any) -> Resource:
    return examples.resource(LAUNCH_TEMPLATE, "node-0", **inputs)


RULE = Rule(
    id="deadline-switch",
    title="Machines with a deadline can be ended before they can be started",
    family="lifecycle",
    severity="high",
    why=(
        "A laptop that is closed, or a process that is killed, between the start of a machine and the order to end it "
        "leaves one that nobody ends, at tens of dollars an hour. A group that is empty, and is told when to be empty "
        "again before it is told to start anything, leaves no such moment."
    ),
    remediation=(
        "No profile field loosens this: make each node's group with `minSize: 0` and no `desiredCapacity`, schedule "
        "all three sizes to 0 at the deadline, and let nodes shut down into termination; `deploy plan` shows the "
        "verdict."
    ),
    controls=("nist SC-6", "iso27001 A.8.6", "soc2 A1.1"),
    references=(
        "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html",
        "https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html",
    ),
    good=(
        Example("an empty group and its switch", _stack(_group(), _switch()), _PLAN),
        Example("a stack without a deadline", (examples.resource(INSTANCE, "node-0"),), examples.plan()),
    ),
    bad=(
        Example("a group without a switch", _stack(_group()), _PLAN),
        Example("a group that starts its machine when it is made", _stack(_group(minSize=1), _switch()), _PLAN),
        Example("a group that is filled with its making", _stack(_group(desiredCapacity=1), _switch()), _PLAN),
        Example(
            "a switch that cannot work",
            _stack(_group(suspendedProcesses=["ScheduledActions"]), _switch()),
            _PLAN,
        ),
        Example("a machine that the switch may not end", _stack(_group(protectFromScaleIn=True), _switch()), _PLAN),
        Example("a switch that is too late", _stack(_group(), _switch(startTime="2026-12-01T18:01:00Z")), _PLAN),
        Example("a switch after which the group can be filled again", _stack(_group(), _switch(maxSize=1)), _PLAN),
        Example("a machine beside the groups", _stack(examples.resource(INSTANCE, "node-1")), _PLAN),
        Example("machines that stop and stay", _stack(_group(), _switch(), template=_template()), _PLAN),
        Example(
            "machines that are protected from termination",
            _stack(
                _group(),
                _switch(),
                template=_template(instanceInitiatedShutdownBehavior="terminate", disableApiTermination=True),
            ),
            _PLAN,
        ),
        Example(
            "a group from a foreign template",
            _stack(_group(launchTemplate={"id": "lt-0123456789abcdef0"}), _switch()),
            _PLAN,
        ),
        Example(
            "a group in a foreign subnet", _stack(_group(vpcZoneIdentifiers=["subnet-0123456789"]), _switch()), _PLAN
        ),
    ),
    on_resource=by_type({GROUP: on_resource}),
    on_stack=on_stack,
)
