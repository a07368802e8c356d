"""What the owner of an account asks, and what is refused for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.account import check_tag_keys, plan_account
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime
from planner.errors import PlanError
from planner.make_plan import Site, make_plan
from planner.profile import AwsSection, Profile


def asked(tags: dict[str, str] | None = None, **aws: object) -> Profile:
    section = msgspec.convert(aws, AwsSection)
    return msgspec.structs.replace(load_profile("2xh200"), aws=section, tags=tags or {})


def test_nothing_is_asked_by_default() -> None:
    plan = plan_account(asked(), "s" * 40)
    assert (plan.permission_boundary, plan.role_name_prefix) == ("", "cloister-")


@pytest.mark.parametrize("value", [None, ""])
def test_a_mandatory_tag_has_a_value(value: str | None) -> None:
    tags = {"Owner": "team"} if value is None else {"Owner": "team", "CostCentre": value}
    with pytest.raises(PlanError, match="no value for CostCentre"):
        plan_account(asked(tags, mandatory_tags=["Owner", "CostCentre"]), "s")


def test_the_longest_role_name_is_still_one() -> None:
    prefix = "p" * 18
    assert plan_account(asked(role_name_prefix=prefix), "s" * 40).role_name_prefix == prefix
    with pytest.raises(PlanError, match="longer than the 64 characters"):
        plan_account(asked(role_name_prefix=prefix + "p"), "s" * 40)


def test_a_boundary_is_of_the_regions_partition() -> None:
    boundary = "arn:aws:iam::123456789012:policy/b"
    assert plan_account(asked(permission_boundary=boundary), "s").permission_boundary == boundary
    with pytest.raises(PlanError, match="aws-us-gov"):
        plan_account(asked(permission_boundary=boundary, region="us-gov-west-1"), "s")


@pytest.mark.parametrize("boundary", ["boundary", "arn:aws:iam::123456789012:role/r", "arn:aws:s3:::b"])
def test_what_is_no_policy_is_no_boundary(boundary: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        asked(permission_boundary=boundary)


def test_the_account_of_the_profile_counts() -> None:
    assert plan_account(asked(), "s", "123456789012").number == "123456789012"
    assert plan_account(asked(account="123456789012"), "s", "123456789012").number == "123456789012"
    with pytest.raises(PlanError) as refused:
        plan_account(asked(account="210987654321"), "s", "123456789012")
    assert refused.value.code == "wrong_account"


@pytest.mark.parametrize(("key", "shown"), [("CostCentre", True), ("org:unit", True), ("cost/centre", False)])
def test_a_node_with_a_deadline_carries_tags_that_it_can_show_itself(key: str, *, shown: bool) -> None:
    profile = msgspec.structs.replace(load_profile("2xh200"), tags={key: "4711"})
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert make_plan(profile, load_catalogue(), Site(stack="s")).tags[key] == "4711"
    site = Site(stack="s", lifetime=Lifetime(since=now, until=now + timedelta(hours=8)))
    if shown:
        assert make_plan(profile, load_catalogue(), site).tags[key] == "4711"
    else:
        with pytest.raises(PlanError, match="cost/centre cannot be on a node with a deadline"):
            make_plan(profile, load_catalogue(), site)


@pytest.mark.parametrize("key", [".", "..", "_index", "two words", ""])
def test_keys_that_the_metadata_service_has_no_place_for(key: str) -> None:
    with pytest.raises(PlanError):
        check_tag_keys([key])
