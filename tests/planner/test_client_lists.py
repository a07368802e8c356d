"""Prefix lists that name clients hold private networks, and at least one."""

from __future__ import annotations

import pytest

from planner.client_lists import check_client_lists
from planner.errors import PlanError


def test_private_networks_and_what_nobody_knows_yet_are_fine() -> None:
    check_client_lists({"pl-1": ("10.20.0.0/16", "fd12:3456:789a::/48"), "pl-2": None})


@pytest.mark.parametrize(
    ("cidrs", "message"),
    [
        ((), "pl-2 is empty"),
        (("10.0.0.0/8", "203.0.113.0/24"), r"pl-2 holds 203\.0\.113\.0/24, which is not private"),
        (("0.0.0.0/0",), "not private"),
    ],
)
def test_others_are_refused(cidrs: tuple[str, ...], message: str) -> None:
    with pytest.raises(PlanError, match=message) as refusal:
        check_client_lists({"pl-1": ("10.20.0.0/16",), "pl-2": cidrs})
    assert refusal.value.code == "client_prefix_lists"
