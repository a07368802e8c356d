"""Budgets, with the tags that they are made with: moto passes over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.aws.call import Call, Operation


@dataclass
class BudgetTags:
    """Tags by the budget's name."""

    by_name: dict[str, list[dict[str, str]]] = field(default_factory=dict)


def _create(call: Call) -> object:
    response = call.forward()
    if response.status == HTTPStatus.OK:
        name = call.parameters["Budget"]["BudgetName"]
        call.region.part(BudgetTags).by_name[name] = call.parameters.get("ResourceTags", [])
    return response


def _delete(call: Call) -> object:
    response = call.forward()
    if response.status == HTTPStatus.OK:
        call.region.part(BudgetTags).by_name.pop(call.parameters["BudgetName"], None)
    return response


def _tags(call: Call) -> object:
    name = call.parameters["ResourceARN"].rpartition("/")[2]
    return {"ResourceTags": call.region.part(BudgetTags).by_name.get(name, [])}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("budgets", "CreateBudget"): _create,
    ("budgets", "DeleteBudget"): _delete,
    ("budgets", "ListTagsForResource"): _tags,
}
