"""Capacity: the requests in full, and a block's life in the emulated account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from lifecycle.aws.capacity import Extension, Offering, Search, buy, describe, extend, extensions, find
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError
from tests.lifecycle.aws.conftest import Stubs

pytestmark = pytest.mark.slow

START = datetime(2026, 12, 1, 11, 30, tzinfo=UTC)
RESERVATION = "cr-0123456789abcdef0"
SEARCH = Search(instance_type="p5en.48xlarge", count=2, hours=48, start=START, max_price=Decimal(4000))
OFFERING = Offering(
    id="cbo-1",
    instance_type="p5en.48xlarge",
    count=2,
    zone="us-east-2b",
    start=START,
    end=START + timedelta(hours=48),
    hours=48,
    fee=Decimal("3994.56"),
    currency="USD",
    per_instance_hour=Decimal("41.6100"),
)
EXTENSION = Extension(
    id="cbeo-1",
    reservation_id=RESERVATION,
    start=START + timedelta(hours=48),
    end=START + timedelta(hours=72),
    hours=24,
    fee=Decimal("1997.28"),
    currency="USD",
)
BOUGHT_BEFORE = {"Filters": [{"Name": "tag:cloister:offering", "Values": ["cbo-1"]}]}
PURCHASE = {
    "CapacityBlockOfferingId": "cbo-1",
    "InstancePlatform": "Linux/UNIX",
    "TagSpecifications": [
        {
            "ResourceType": "capacity-reservation",
            "Tags": [{"Key": "cloister:offering", "Value": "cbo-1"}, {"Key": "owner", "Value": "research"}],
        }
    ],
}


def offered(offering_id: str = "cbo-1", fee: str = "3994.56", **changes: Any) -> dict[str, Any]:
    return {
        "CapacityBlockOfferingId": offering_id,
        "InstanceType": "p5en.48xlarge",
        "AvailabilityZone": "us-east-2b",
        "InstanceCount": 2,
        "StartDate": START,
        "EndDate": START + timedelta(hours=48),
        "CapacityBlockDurationHours": 48,
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
        **changes,
    }


def reserved(state: str = "payment-pending") -> dict[str, Any]:
    return {
        "CapacityReservationId": RESERVATION,
        "InstanceType": "p5en.48xlarge",
        "AvailabilityZone": "us-east-2b",
        "TotalInstanceCount": 2,
        "AvailableInstanceCount": 2,
        "State": state,
        "StartDate": START,
        "EndDate": START + timedelta(hours=48),
        "CreateDate": START - timedelta(days=3),
        "ReservationType": "capacity-block",
    }


def test_find_asks_page_by_page(stubs: Stubs) -> None:
    asked = {
        "InstanceType": "p5en.48xlarge",
        "InstanceCount": 2,
        "CapacityDurationHours": 48,
        "StartDateRange": START,
    }
    first = {"CapacityBlockOfferings": [offered("cbo-2", "4000.01"), offered("cbo-3", "3999.00")], "NextToken": "more"}
    stubs.ec2.add_response("describe_capacity_block_offerings", first, asked)
    last = {"CapacityBlockOfferings": [offered(), offered("cbo-0", StartDate=START + timedelta(days=1))]}
    stubs.ec2.add_response("describe_capacity_block_offerings", last, {**asked, "NextToken": "more"})
    found = find(stubs.session, SEARCH)
    assert [one.id for one in found] == ["cbo-1", "cbo-3", "cbo-0"]  # cbo-2 costs more than was allowed
    assert found[0] == OFFERING


def test_find_without_filters(stubs: Stubs) -> None:
    asked = {"InstanceType": "p5en.48xlarge", "InstanceCount": 1, "CapacityDurationHours": 24}
    stubs.ec2.add_response("describe_capacity_block_offerings", {"CapacityBlockOfferings": []}, asked)
    assert find(stubs.session, Search(instance_type="p5en.48xlarge", count=1, hours=24)) == ()


def test_a_length_that_no_block_has_is_not_asked_for(stubs: Stubs) -> None:
    with pytest.raises(DeployError, match="no Capacity Block is 25 hours long"):
        find(stubs.session, Search(instance_type="p5en.48xlarge", count=1, hours=25))


def test_buy(stubs: Stubs) -> None:
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": []}, BOUGHT_BEFORE)
    stubs.ec2_once.add_response("purchase_capacity_block", {"CapacityReservation": reserved()}, PURCHASE)
    held = buy(stubs.session, OFFERING, {"owner": "research"})
    assert (held.id, held.kind, held.state, held.end) == (
        RESERVATION,
        "capacity-block",
        "payment-pending",
        OFFERING.end,
    )


def test_an_offering_is_not_bought_twice(stubs: Stubs) -> None:
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": [reserved()]}, BOUGHT_BEFORE)
    with pytest.raises(DeployError, match=f"bought before: it is {RESERVATION}"):
        buy(stubs.session, OFFERING, {})


def test_what_nobody_paid_for_was_not_bought(stubs: Stubs) -> None:
    failed = {"CapacityReservations": [reserved("payment-failed")]}
    stubs.ec2.add_response("describe_capacity_reservations", failed, BOUGHT_BEFORE)
    stubs.ec2_once.add_response("purchase_capacity_block", {"CapacityReservation": reserved()}, PURCHASE)
    assert buy(stubs.session, OFFERING, {"owner": "research"}).id == RESERVATION


@pytest.mark.parametrize(
    ("there", "refused"),
    [([reserved()], ""), ([], "nobody can tell whether offering cbo-1 was bought")],
    ids=["bought", "not seen"],
)
@pytest.mark.parametrize("how", ["timeout", "500"])
def test_a_purchase_without_an_answer_is_looked_for(stubs: Stubs, there: list[Any], refused: str, how: str) -> None:
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": []}, BOUGHT_BEFORE)
    attempts = 0
    if how == "500":
        attempts = 1
        stubs.ec2_once.add_client_error("purchase_capacity_block", "InternalError", "", http_status_code=500)
    else:
        stubs.ec2_once.deactivate()

        def lost(**_: Any) -> None:
            nonlocal attempts
            attempts += 1
            raise ReadTimeoutError(endpoint_url="https://ec2.us-east-2.amazonaws.com")

        stubs.session.ec2_once.meta.events.register("before-send.ec2.PurchaseCapacityBlock", lost)
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": there}, BOUGHT_BEFORE)
    if refused:
        with pytest.raises(DeployError, match=refused) as unknown:
            buy(stubs.session, OFFERING, {})
        assert unknown.value.code == "purchase_unknown"
        assert "Do not buy another one" in unknown.value.hint
    else:
        assert buy(stubs.session, OFFERING, {}).id == RESERVATION
    assert attempts == 1  # a second one would buy a second block


def test_a_refused_purchase_is_not_looked_for(stubs: Stubs) -> None:
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": []}, BOUGHT_BEFORE)
    code = "InvalidCapacityBlockOfferingIdExpired"
    stubs.ec2_once.add_client_error("purchase_capacity_block", code, "gone", http_status_code=400)
    with pytest.raises(DeployError, match=code):
        buy(stubs.session, OFFERING, {})


def test_extend(stubs: Stubs) -> None:
    stubs.ec2.add_response(
        "describe_capacity_reservations",
        {"CapacityReservations": [reserved("active")]},
        {"CapacityReservationIds": [RESERVATION]},
    )
    held = describe(stubs.session, RESERVATION)
    asked = {"CapacityReservationId": RESERVATION, "CapacityBlockExtensionDurationHours": 24}
    fields = {
        "CapacityBlockExtensionOfferingId": "cbeo-1",
        "CapacityBlockExtensionStartDate": EXTENSION.start,
        "CapacityBlockExtensionEndDate": EXTENSION.end,
        "CapacityBlockExtensionDurationHours": 24,
        "UpfrontFee": "1997.28",
        "CurrencyCode": "USD",
    }
    dearer = {**fields, "CapacityBlockExtensionOfferingId": "cbeo-0", "UpfrontFee": "2000.00"}
    call = "describe_capacity_block_extension_offerings"
    stubs.ec2.add_response(call, {"CapacityBlockExtensionOfferings": [dearer], "NextToken": "more"}, asked)
    stubs.ec2.add_response(call, {"CapacityBlockExtensionOfferings": [fields]}, {**asked, "NextToken": "more"})
    offers = extensions(stubs.session, held, 24, START)
    assert [one.id for one in offers] == ["cbeo-1", "cbeo-0"]
    assert offers[0] == EXTENSION
    stubs.ec2_once.add_response(
        "purchase_capacity_block_extension",
        {"CapacityBlockExtensions": [{"CapacityBlockExtensionStatus": "payment-pending"}]},
        {"CapacityBlockExtensionOfferingId": "cbeo-1", "CapacityReservationId": RESERVATION},
    )
    assert extend(stubs.session, offers[0]) == "payment-pending"


def test_an_extension_without_an_answer(stubs: Stubs) -> None:
    stubs.ec2_once.add_client_error("purchase_capacity_block_extension", "InternalError", "", http_status_code=500)
    with pytest.raises(DeployError, match="nobody can tell") as unknown:
        extend(stubs.session, EXTENSION)
    assert f"deploy capacity show {RESERVATION}" in unknown.value.hint


def test_too_late_to_extend_is_not_asked(stubs: Stubs) -> None:
    stubs.ec2.add_response("describe_capacity_reservations", {"CapacityReservations": [reserved("active")]})
    held = describe(stubs.session, RESERVATION)
    with pytest.raises(DeployError, match="AWS extended it until 2026-12-03 10:30 UTC"):
        extensions(stubs.session, held, 24, OFFERING.end - timedelta(minutes=59))


def test_a_blocks_life_in_the_emulated_account(emulated: AwsSession) -> None:
    now = datetime.now(UTC)  # 72 hours: other tests buy from the same account
    soon = Search(instance_type="p5en.48xlarge", count=1, hours=72, start=now + timedelta(days=2))
    found = find(emulated, soon)
    assert found
    assert all(one.start >= now + timedelta(days=2) and f"{one.end:%H:%M}" == "11:30" for one in found)
    assert find(emulated, Search(instance_type="p5en.48xlarge", count=1, hours=72, max_price=Decimal(1))) == ()

    held = buy(emulated, found[0], {"owner": "research"})
    assert (held.state, held.start, held.end) == ("scheduled", found[0].start, found[0].end)
    with pytest.raises(DeployError, match=f"bought before: it is {held.id}"):
        buy(emulated, found[0], {})

    offers = extensions(emulated, held, 24, now)
    assert [(one.start, one.hours) for one in offers] == [(held.end, 24)]
    assert extend(emulated, offers[0]) == "payment-succeeded"
    assert describe(emulated, held.id).end == found[0].end + timedelta(hours=24)


def test_an_unknown_reservation(emulated: AwsSession) -> None:
    with pytest.raises(DeployError, match=r"InvalidCapacityReservationId\.NotFound") as refused:
        describe(emulated, RESERVATION)
    assert "us-east-2" in refused.value.hint
