"""Capacity reservations and capacity blocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.network import Network, code_of, refused

P5EN = "p5en.48xlarge"


@pytest.fixture
def ec2(clients: Boto3Clients) -> Any:
    return clients.client("ec2")


def _reserve(ec2: Any, **arguments: Any) -> dict[str, Any]:
    defaults = {
        "InstanceType": P5EN,
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-2a",
        "InstanceCount": 1,
    }
    made: dict[str, Any] = ec2.create_capacity_reservation(**{**defaults, **arguments})["CapacityReservation"]
    return made


def _describe(ec2: Any, reservation_id: str) -> dict[str, Any]:
    found = ec2.describe_capacity_reservations(CapacityReservationIds=[reservation_id])
    one: dict[str, Any] = found["CapacityReservations"][0]
    return one


def test_reservation(network: Network) -> None:
    ec2 = network.ec2
    made = _reserve(ec2, TagSpecifications=network.tagged("capacity-reservation"), InstanceMatchCriteria="targeted")
    reservation_id = made["CapacityReservationId"]
    assert (made["State"], made["EndDateType"], made["AvailableInstanceCount"]) == ("active", "unlimited", 1)
    by_tag = [{"Name": "tag:cloister:stack", "Values": [network.name]}, {"Name": "state", "Values": ["active"]}]
    assert ec2.describe_capacity_reservations(Filters=by_tag)["CapacityReservations"] == [made]

    end = datetime(2096, 1, 1, tzinfo=UTC)
    ec2.modify_capacity_reservation(
        CapacityReservationId=reservation_id, InstanceCount=3, EndDateType="limited", EndDate=end
    )
    changed = _describe(ec2, reservation_id)
    assert (changed["TotalInstanceCount"], changed["EndDateType"], changed["EndDate"]) == (3, "limited", end)

    assert ec2.cancel_capacity_reservation(CapacityReservationId=reservation_id)["Return"] is True
    assert _describe(ec2, reservation_id)["State"] == "cancelled"
    with pytest.raises(ClientError) as refusal:
        ec2.cancel_capacity_reservation(CapacityReservationId=reservation_id)
    assert code_of(refusal.value) == "IncorrectState"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"InstanceType": "p5e.4xlarge"}, "Unsupported"),
        ({"AvailabilityZone": "eu-west-1a"}, "Unsupported"),
        ({"InstanceCount": 0}, "InvalidParameterValue"),
        ({"EndDateType": "limited"}, "InvalidParameterCombination"),
        ({"EndDate": datetime(2096, 1, 1, tzinfo=UTC)}, "InvalidParameterCombination"),
        ({"EndDateType": "limited", "EndDate": datetime(2020, 1, 1, tzinfo=UTC)}, "InvalidParameterValue"),
    ],
)
def test_reservations_that_aws_refuses(ec2: Any, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        _reserve(ec2, **arguments)
    assert code_of(refusal.value) == code


def test_an_unknown_reservation(ec2: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        _describe(ec2, "cr-0123456789abcdef0")
    assert code_of(refusal.value) == "InvalidCapacityReservationId.NotFound"


def _offerings(ec2: Any, hours: int = 48, count: int = 1, **arguments: Any) -> list[dict[str, Any]]:
    found = ec2.describe_capacity_block_offerings(
        **{"InstanceType": P5EN, "InstanceCount": count, "CapacityDurationHours": hours, **arguments}
    )
    return list(found["CapacityBlockOfferings"])


def test_blocks_end_when_they_change_hands(ec2: Any) -> None:
    offerings = _offerings(ec2, count=2)
    assert {one["EndDate"].astimezone(UTC).time() for one in offerings} == {time(11, 30)}
    assert {one["AvailabilityZone"] for one in offerings} == {"us-east-2a", "us-east-2b", "us-east-2c"}
    for one in offerings:
        hours = one["CapacityBlockDurationHours"]
        assert 24 < hours <= 48
        assert float(one["UpfrontFee"]) == pytest.approx(41.61 * hours * 2)
    assert _offerings(ec2, count=2)[-1]["CapacityBlockOfferingId"] == offerings[-1]["CapacityBlockOfferingId"]


def test_later_blocks_have_their_full_length(ec2: Any) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    offerings = _offerings(ec2, hours=168, StartDateRange=tomorrow, EndDateRange=tomorrow + timedelta(days=20))
    assert offerings
    for one in offerings:
        assert one["StartDate"] >= tomorrow
        assert one["EndDate"] - one["StartDate"] == timedelta(hours=168)
        assert one["EndDate"] <= tomorrow + timedelta(days=20)


@pytest.mark.parametrize("days", [1, 14, 21, 182])
def test_lengths_that_there_are(ec2: Any, days: int) -> None:
    assert _offerings(ec2, hours=24 * days)


@pytest.mark.parametrize("hours", [0, 12, 25, 24 * 15, 24 * 20, 24 * 189])
def test_lengths_that_there_are_not(ec2: Any, hours: int) -> None:
    with pytest.raises(ClientError) as refusal:
        _offerings(ec2, hours=hours)
    assert code_of(refusal.value) == "InvalidParameterValue"


def test_offerings_that_there_are_not(ec2: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        _offerings(ec2, count=65)
    assert code_of(refusal.value) == "InvalidParameterValue"
    assert _offerings(ec2, InstanceType="g6e.48xlarge") == []
    with pytest.raises(ClientError) as refusal:
        ec2.purchase_capacity_block(CapacityBlockOfferingId="cbo-0", InstancePlatform="Linux/UNIX")
    assert code_of(refusal.value) == "InvalidCapacityBlockOfferingIdNotFound"


def _buy(ec2: Any, offering: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    bought: dict[str, Any] = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offering["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX", **arguments
    )
    return bought


def test_a_block_is_bought_and_can_be_extended_but_not_changed(network: Network) -> None:
    ec2 = network.ec2
    offering = _offerings(ec2)[0]
    bought = _buy(ec2, offering, TagSpecifications=network.tagged("capacity-reservation"))
    reservation, (block,) = bought["CapacityReservation"], bought["CapacityBlocks"]
    reservation_id = reservation["CapacityReservationId"]
    assert reservation["ReservationType"] == "capacity-block"
    assert reservation["InstanceMatchCriteria"] == "targeted"
    assert (reservation["State"], reservation["EndDateType"]) == ("active", "limited")
    assert reservation["EndDate"] == offering["EndDate"]
    assert reservation["Tags"] == network.tags
    assert ec2.describe_capacity_blocks(CapacityBlockIds=[block["CapacityBlockId"]])["CapacityBlocks"] == [block]
    assert block["CapacityReservationIds"] == [reservation_id]

    refused(ec2.cancel_capacity_reservation, "UnsupportedOperation", CapacityReservationId=reservation_id)
    more = {"CapacityReservationId": reservation_id, "InstanceCount": 2}
    refused(ec2.modify_capacity_reservation, "UnsupportedOperation", **more)

    (extension,) = ec2.describe_capacity_block_extension_offerings(
        CapacityReservationId=reservation_id, CapacityBlockExtensionDurationHours=24
    )["CapacityBlockExtensionOfferings"]
    assert extension["UpfrontFee"] == f"{41.61 * 24:.2f}"
    arguments = {
        "CapacityReservationId": reservation_id,
        "CapacityBlockExtensionOfferingId": extension["CapacityBlockExtensionOfferingId"],
    }
    ec2.purchase_capacity_block_extension(**arguments)
    assert _describe(ec2, reservation_id)["EndDate"] == offering["EndDate"] + timedelta(days=1)
    history = ec2.describe_capacity_block_extension_history(CapacityReservationIds=[reservation_id])
    assert [one["UpfrontFee"] for one in history["CapacityBlockExtensions"]] == [extension["UpfrontFee"]]
    with pytest.raises(ClientError) as refusal:
        ec2.purchase_capacity_block_extension(**arguments)
    assert code_of(refusal.value) == "InvalidCapacityBlockOfferingIdExpired"


def test_a_block_that_has_not_begun_is_scheduled(ec2: Any) -> None:
    offering = _offerings(ec2, StartDateRange=datetime.now(UTC) + timedelta(days=2))[0]
    assert _buy(ec2, offering)["CapacityReservation"]["State"] == "scheduled"
