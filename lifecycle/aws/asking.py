"""Calls of any service by name, whose refusals are put into words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.aws.errors import told
from sandbox.handlers.base import Clients

IAM_NAMES = {"resourcegroupstaggingapi": "tag"}
"""Services that IAM calls otherwise than the SDK does."""


def ask(clients: Clients, service: str, operation: str, **parameters: Any) -> Any:
    """Make a call.

    Args:
        clients: of the account and region.
        service: as the SDK calls it, for example `autoscaling`.
        operation: as the SDK calls it, for example `set_desired_capacity`.
        parameters: of the call.

    Raises:
        DeployError: AWS refused, or gave no answer; names the action that IAM would have to allow.

    """
    with told(_action(service, operation), clients.region):
        return getattr(clients.client(service), operation)(**parameters)


def ask_all(clients: Clients, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    """Yield what a call lists under a key, page by page.

    Raises:
        DeployError: as for `ask`.

    """
    with told(_action(service, operation), clients.region):
        for page in clients.client(service).get_paginator(operation).paginate(**parameters):
            yield from page[key]


def _action(service: str, operation: str) -> str:
    return f"{IAM_NAMES.get(service, service)}:{operation.title().replace('_', '')}"
