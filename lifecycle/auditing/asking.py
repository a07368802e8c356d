"""Asking the account about one thing after the other, so that what it refuses is said and the rest is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lifecycle.auditing.records import Unread
from lifecycle.aws.errors import told
from lifecycle.operator_policy.actions import action_of
from planner.errors import DeployError

_SERVICES = {"cloudwatch": "logs", "ec2transitgateway": "ec2", "lb": "elbv2", "vpc": "ec2"}
"""Parts of Pulumi's types -> the service that is asked, where that is another word."""

Answer = TypeVar("Answer")


def service_of(type_: str) -> str:
    """Return the service that answers for a Pulumi type, `aws:ec2/vpc:Vpc` for example."""
    part = type_.split(":")[1].partition("/")[0]
    return _SERVICES.get(part, part)


def attempt(work: Callable[[], Answer], place: str, service: str, region: str) -> Answer | Unread:
    """Return what some asking gives, or why it gives nothing.

    Args:
        work: asks the account.
        place: as findings name what is asked about.
        service: that is asked.
        region: of the account.

    """
    try:
        return work()
    except (ClientError, BotoCoreError) as error:
        operation = error.operation_name if isinstance(error, ClientError) else ""
        try:
            with told(action_of(f"{service}:{operation}"), region):
                raise
        except DeployError as words:
            return Unread(place=place, why=words.message)
    except Exception as error:  # noqa: BLE001 - an answer that cannot be read is said, and the others are read
        return Unread(place=place, why=f"the answer cannot be read: {type(error).__name__}: {error}")
