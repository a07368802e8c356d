"""Capacity: what a plan's nodes may be launched into, when they are left, and what can be extended."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.capacity import Held, check_extendable, check_held, check_length, drain
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import Plan

DATA = tomllib.loads((Path(__file__).parent / "cases" / "capacity.toml").read_text(encoding="utf-8"))
END = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan() -> Plan:
    profile = load_profile(str(Path(__file__).parent / "cases" / "profiles" / "capacity-block.toml"))
    return make_plan(profile, load_catalogue(), Site(stack="case"))


def held(**changes: Any) -> Held:
    return msgspec.convert({**DATA["held"], **changes}, Held)


@pytest.mark.parametrize("case", DATA["case"], ids=lambda case: case["name"])
def test_what_nodes_may_be_launched_into(plan: Plan, case: dict[str, Any]) -> None:
    there = held(**case.get("held", {}))
    zones = (plan.network.subnets[0].zone,)
    if not case["refused"]:
        check_held(there, plan.nodes, zones, case["now"])
        return
    with pytest.raises(DeployError) as refused:
        check_held(there, plan.nodes, zones, case["now"])
    assert all(words in refused.value.message for words in case["refused"]), refused.value.message
    assert refused.value.hint
    assert refused.value.code == "capacity_refused"


def test_a_stack_whose_nodes_run_asks_for_nothing_more() -> None:
    check_held(held(available=0, state="expired"), (), (), END)


def test_a_reservation_without_end_is_held_at_any_time(plan: Plan) -> None:
    node = msgspec.structs.replace(plan.nodes[0], capacity="reservation")
    check_held(held(kind="reservation", end=None), (node,), ("us-east-2a",), END + timedelta(days=999))
    ended = held(kind="reservation", state="expired")
    check_held(held(kind="reservation"), (node,), ("us-east-2a",), END - timedelta(minutes=1))  # no early reclaim
    with pytest.raises(DeployError, match="has ended"):
        check_held(ended, (node,), ("us-east-2a",), END)


def test_drain() -> None:
    planned = drain(END, request_timeout_s=600)
    assert [f"{moment:%H:%M}" for moment in msgspec.structs.astuple(planned)] == [
        "10:30", "10:40", "10:50", "11:00", "11:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "before_end", "refused"),
    [
        ({}, timedelta(hours=1), ""),
        ({"state": "scheduled"}, timedelta(days=20), ""),
        ({}, timedelta(minutes=59), "extended it until 2026-11-23 10:30 UTC"),
        ({"state": "expired"}, timedelta(0), "is expired"),
        ({"kind": "reservation"}, timedelta(days=1), "is no Capacity Block"),
        ({"end": None}, timedelta(days=1), "is no Capacity Block"),
    ],
)
def test_what_can_be_extended(changes: dict[str, Any], before_end: timedelta, refused: str) -> None:
    if not refused:
        assert check_extendable(held(**changes), END - before_end) == END
        return
    with pytest.raises(DeployError, match=refused):
        check_extendable(held(**changes), END - before_end)


@pytest.mark.parametrize("hours", [24, 336, 504, 4368])
def test_lengths_that_blocks_have(hours: int) -> None:
    check_length(hours)


@pytest.mark.parametrize("hours", [0, 23, 25, 360, 4536])
def test_lengths_that_no_block_has(hours: int) -> None:
    with pytest.raises(DeployError, match="no Capacity Block is"):
        check_length(hours)


def test_the_plan_says_where_machines_come_from(plan: Plan) -> None:
    said = {decision.what: decision for decision in plan.decisions}["capacity"]
    assert said.choice == "capacity-block cr-0123456789abcdef0"
    assert "30 minutes before the end, 11:30 UTC" in said.why
