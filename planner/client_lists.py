"""Prefix lists that name clients: what must hold of the networks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.errors import PlanError
from planner.networks import is_private


def check_client_lists(lists: Mapping[str, Sequence[str] | None]) -> None:
    """Refuse lists that let the internet in, or nobody.

    Args:
        lists: id of each list -> its networks; None where there is no account to ask.

    Raises:
        PlanError: with everything that does not hold.

    """
    faults = []
    for list_id, cidrs in lists.items():
        if cidrs is None:
            continue
        if not cidrs:
            faults.append(f"{list_id} is empty")
        faults += [f"{list_id} holds {cidr}, which is not private" for cidr in cidrs if not is_private(cidr)]
    if faults:
        raise PlanError(
            f"`network.client_prefix_lists` cannot be used: {'; '.join(faults)}",
            hint="Have the list mended by whoever owns it, or name the clients' networks in `network.client_cidrs`.",
            code="client_prefix_lists",
        )
