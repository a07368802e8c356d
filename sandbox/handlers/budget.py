"""Budgets: they tell of costs, hours later, and limit nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from planner.partitions import partition_of
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import account_id
from sandbox.handlers.names import to_api
from sandbox.handlers.resource import Record, Resource, Target, tag_list
from sandbox.handlers.waiting import is_gone


def _notification(said: Properties) -> dict[str, Any]:
    addresses = said["subscriberEmailAddresses"]
    return {
        "Notification": to_api({name: value for name, value in said.items() if name != "subscriberEmailAddresses"}),
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": address} for address in addresses],
    }


class Budget(Resource):
    """`aws:budgets/budget:Budget`. Its id is the account's number and its name; whatever changes makes a new one.

    Whom it tells is not read back: AWS lists that notification by notification.
    """

    type = "aws:budgets/budget:Budget"
    fixed = frozenset(
        {"budgetType", "costFilters", "limitAmount", "limitUnit", "name", "notifications", "tags", "timeUnit"}
    )
    required = frozenset({"budgetType", "limitAmount", "limitUnit", "name", "timeUnit"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the budget with its notifications and tags."""
        account = account_id(clients)
        clients.client("budgets").create_budget(
            AccountId=account,
            Budget={
                "BudgetName": inputs["name"],
                "BudgetType": inputs["budgetType"],
                "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
                "CostFilters": {one["name"]: one["values"] for one in inputs.get("costFilters") or []},
                "TimeUnit": inputs["timeUnit"],
            },
            NotificationsWithSubscribers=[_notification(one) for one in inputs.get("notifications") or []],
            ResourceTags=tag_list(inputs.get("tags")),
        )
        return f"{account}:{inputs['name']}"

    def describe(self, target: Target) -> Record | None:
        """Return the budget; None when it is gone."""
        account, _, name = target.id.partition(":")
        try:
            found: Record = target.clients.client("budgets").describe_budget(AccountId=account, BudgetName=name)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        record: Record = found["Budget"]
        return record

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the budget of that name, which holds the stack's."""
        resource_id = f"{account_id(clients)}:{inputs['name']}"
        record = self.describe(Target(clients, resource_id, inputs))
        if record is not None:
            yield resource_id, record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        account, limit = target.id.partition(":")[0], record["BudgetLimit"]
        partition = partition_of(target.clients.region).name
        return {
            "accountId": account,
            "arn": f"arn:{partition}:budgets::{account}:budget/{record['BudgetName']}",
            "budgetType": record["BudgetType"],
            "costFilters": [{"name": name, "values": values} for name, values in record["CostFilters"].items()],
            "limitAmount": limit["Amount"],
            "limitUnit": limit["Unit"],
            "name": record["BudgetName"],
            "timeUnit": record["TimeUnit"],
        }

    def remove(self, target: Target) -> None:
        """Delete the budget."""
        account, _, name = target.id.partition(":")
        if self.describe(target) is not None:
            target.clients.client("budgets").delete_budget(AccountId=account, BudgetName=name)
