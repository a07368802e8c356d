"""Nodes that end by themselves: a group that is told when to be empty before it is told to start anything."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from planner.deadline import group_name, switch_name, written
from planner.plan import DeadlinePlan, NodePlan, Plan
from planner.tags import UNTIL_TAG
from stacks.naming import child_of, tags_of

SUSPENDED = ("AZRebalance", "HealthCheck", "ReplaceUnhealthy")
"""Processes that would start another machine where one ends: what ends here, by whatever switch, is to stay ended.

Launch, Terminate and ScheduledActions must run: they are the switch.
"""
ENDS_WITHIN = "40m"
"""How long the machine of a group may take to end: one with eight GPUs takes longer than the provider waits by itself.
"""


class SwitchedGroup(pulumi.ComponentResource):
    """An Auto Scaling group of one node, empty, with a scheduled action that empties it for good at the deadline.

    Nothing here fills it: that is done from outside, once the account says that the action stands.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        node: NodePlan,
        deadline: DeadlinePlan,
        *,
        template: aws.ec2.LaunchTemplate,
        subnet_id: pulumi.Output[str],
        parent: pulumi.Resource,
    ) -> None:
        super().__init__("cloister:aws:SwitchedGroup", name, opts=pulumi.ResourceOptions(parent=parent))
        group = aws.autoscaling.Group(
            f"{name}-group",
            name=group_name(plan.stack, node.name),
            min_size=0,
            max_size=1,
            vpc_zone_identifiers=[subnet_id],
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            suspended_processes=list(SUSPENDED),
            tags=_tags(plan, f"{name}-group"),
            # What the template says of a machine cannot be changed while it runs; so for a node without a deadline.
            opts=pulumi.ResourceOptions.merge(
                child_of(self, one_at_a_time=True, holds=("launchTemplate", "vpcZoneIdentifiers")),
                pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(delete=ENDS_WITHIN)),
            ),
        )
        aws.autoscaling.Schedule(
            f"{name}-switch",
            autoscaling_group_name=group.name,
            scheduled_action_name=switch_name(plan.stack, node.name),
            start_time=written(deadline.until),
            min_size=0,
            # So that nothing can fill the group again afterwards.
            max_size=0,
            desired_capacity=0,
            opts=child_of(self, one_at_a_time=True),
        )
        self.register_outputs({"group": group.name})


def _tags(plan: Plan, name: str) -> list[aws.autoscaling.GroupTagArgs]:
    """Return the group's tags. Of these its machines get the deadline alone: the rest comes from their template."""
    return [
        aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=key == UNTIL_TAG)
        for key, value in sorted(tags_of(plan, name).items())
    ]
