"""Where a host's records go, so that a lost or hostile host does not take them along."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from planner.logs import log_group
from planner.plan import Plan
from stacks.naming import child_of, tags_of


class HostLogs(pulumi.ComponentResource):
    """One log group per kind of record, encrypted with the stack's key and kept as long as the plan says."""

    def __init__(self, name: str, plan: Plan, key_arn: pulumi.Output[str]) -> None:
        super().__init__("cloister:aws:HostLogs", name)
        for source in plan.logs.sources:
            aws.cloudwatch.LogGroup(
                f"{name}-{source.name}",
                name=log_group(plan.stack, source.name),
                kms_key_id=key_arn,
                retention_in_days=plan.logs.retention_days,
                tags=tags_of(plan, f"{name}-{source.name}"),
                opts=child_of(self, one_at_a_time=True),
            )
        self.register_outputs({})
