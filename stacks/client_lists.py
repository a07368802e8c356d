"""Prefix lists that name clients: read and checked, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_aws as aws

from planner.client_lists import check_client_lists
from planner.plan import Plan


def read_client_lists(plan: Plan) -> None:
    """Read the lists, whose entries are nowhere in the program, and check them.

    Raises:
        PlanError: a list holds what is not private, or nothing.

    """
    lists = plan.network.client_prefix_lists
    check_client_lists({one: _cidrs(aws.ec2.get_managed_prefix_list(id=one).entries) for one in lists})


def _cidrs(entries: Sequence[Any] | None) -> tuple[str, ...] | None:
    """Return the networks; None where nobody could be asked, which the SDK's types do not foresee."""
    return None if entries is None else tuple(entry.cidr for entry in entries)
