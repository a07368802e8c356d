"""Word of costs: an AWS budget, which limits nothing."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from planner.deadline import alarm_name
from planner.plan import AlarmPlan, Plan
from planner.tags import STACK_TAG
from stacks.naming import child_of, tags_of


class CostAlarm(pulumi.ComponentResource):
    """A budget of the stack's own costs, that writes when parts of it are spent."""

    def __init__(self, name: str, plan: Plan, alarm: AlarmPlan) -> None:
        super().__init__("cloister:aws:CostAlarm", name)
        aws.budgets.Budget(
            f"{name}-budget",
            name=alarm_name(plan.stack),
            budget_type="COST",
            limit_amount=f"{alarm.limit_usd:.2f}",
            limit_unit="USD",
            # The longest there is: a month's would begin anew in the middle of a stack's life.
            time_unit="ANNUALLY",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{STACK_TAG}${plan.stack}"])
            ],
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type="ACTUAL",
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(alarm.emails),
                )
                for percent in alarm.at_percent
            ],
            tags=tags_of(plan, f"{name}-budget"),
            opts=child_of(self, one_at_a_time=True),
        )
        self.register_outputs({})
