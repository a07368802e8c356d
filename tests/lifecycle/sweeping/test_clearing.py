"""Deleting: only what is the stack's, in rounds, with a bound; what AWS refuses is told, with the reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle.sweeping import clearing
from lifecycle.sweeping.clearing import clear
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import look
from lifecycle.sweeping.records import Place, Thing
from lifecycle.sweeping.swept import sweep
from planner.progress import Silent
from planner.tags import STACK_TAG
from tests.lifecycle.sweeping.scripted import Scripted, refusal

MINE = [{"Key": STACK_TAG, "Value": "mine"}]
THEIRS = [{"Key": STACK_TAG, "Value": "theirs"}]


class Noted(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Listed:
    """Things of one listing, that go so many looks after they were asked to."""

    def __init__(self, key: str, *records: dict[str, Any], lingers: int = 0) -> None:
        self.key, self.records, self.lingers = key, list(records), lingers
        self.looks = 0

    def __call__(self, _: dict[str, Any]) -> dict[str, Any]:
        self.looks += 1
        return {self.key: list(self.records)}

    def drop(self, id_key: str, value: str) -> None:
        self.records = [one for one in self.records if one[id_key] != value]


def mine(clients: Scripted) -> Place:
    return Place(clients, "123456789012", "mine")


def found(place: Place) -> list[Thing]:
    return [thing for one in look(place) for thing in one.of(place)]


def test_nothing_is_deleted_for_all_stacks_at_once_or_without_the_tag() -> None:
    thing = Thing("vpc", "vpc-1", {STACK_TAG: "mine"})
    clients = Scripted({})
    for place, one in (
        (Place(clients, "1", None), thing),
        (mine(clients), Thing("vpc", "vpc-1", {STACK_TAG: "theirs"})),
        (mine(clients), Thing("vpc", "vpc-1", {})),
    ):
        with pytest.raises(ValueError, match="only what carries the tag"):
            clear(place, [one], Silent())
    assert clients.calls == []


def test_what_depends_on_something_that_lingers_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VPC whose endpoint's interfaces stay for a while, as on AWS: they carry no tag, and nothing shows them."""
    monkeypatch.setattr(clearing, "_TELL_EVERY_S", 0.0)
    vpcs = Listed("Vpcs", {"VpcId": "vpc-1", "Tags": MINE}, {"VpcId": "vpc-2", "Tags": THEIRS})

    def delete(asked: dict[str, Any]) -> dict[str, Any]:
        if vpcs.looks < 4:
            raise refusal("DependencyViolation", "DeleteVpc")
        vpcs.drop("VpcId", asked["VpcId"])
        return {}

    clients, noted = Scripted({("ec2", "describe_vpcs"): vpcs, ("ec2", "delete_vpc"): delete}), Noted()
    cleared = clear(mine(clients), found(mine(clients)), noted, within_s=20)
    assert [thing.id for thing in cleared.deleted] == ["vpc-1"]
    assert {asked["VpcId"] for asked in clients.asked("delete_vpc")} == {"vpc-1"}
    assert "waiting for vpc vpc-1 to go" in noted.notes[0]
    assert "at most 20 s" in noted.notes[0]


def test_waiting_has_a_bound() -> None:
    vpcs = Listed("Vpcs", {"VpcId": "vpc-1", "Tags": MINE})

    def delete(_: dict[str, Any]) -> None:
        raise refusal("DependencyViolation", "DeleteVpc")

    clients = Scripted({("ec2", "describe_vpcs"): vpcs, ("ec2", "delete_vpc"): delete})
    started = time.monotonic()
    cleared = clear(mine(clients), found(mine(clients)), Silent(), within_s=0.3)
    assert time.monotonic() - started < 5
    assert cleared.deleted == []


def test_a_refusal_is_told_and_not_waited_for() -> None:
    vpcs = Listed("Vpcs", {"VpcId": "vpc-1", "Tags": MINE})

    def delete(_: dict[str, Any]) -> None:
        raise refusal("UnauthorizedOperation", "DeleteVpc")

    clients = Scripted({("ec2", "describe_vpcs"): vpcs, ("ec2", "delete_vpc"): delete})
    started = time.monotonic()
    swept = sweep(mine(clients), Silent(), delete=True, within_s=60)
    assert time.monotonic() - started < 10
    assert [(one.id, one.why) for one in swept.left] == [
        ("vpc-1", "these credentials may not call ec2:DeleteVpc in us-east-2")
    ]
    assert not swept.clean
    assert len(clients.asked("delete_vpc")) == 1


def test_an_answer_that_names_what_was_not_deleted_is_a_refusal() -> None:
    endpoints = Listed("VpcEndpoints", {"VpcEndpointId": "vpce-1", "State": "available", "Tags": MINE})
    failed = {"ResourceId": "vpce-1", "Error": {"Code": "OperationNotPermitted", "Message": "it is another's"}}
    clients = Scripted(
        {
            ("ec2", "describe_vpc_endpoints"): endpoints,
            ("ec2", "delete_vpc_endpoints"): lambda _: {"Unsuccessful": [failed]},
        }
    )
    swept = sweep(mine(clients), Silent(), delete=True, within_s=20)
    assert [(one.id, one.why) for one in swept.left] == [("vpce-1", "OperationNotPermitted: it is another's")]


def _reservation(name: str, kind: str, state: str = "active", tags: Any = None) -> dict[str, Any]:
    return {
        "CapacityReservationId": name,
        "ReservationType": kind,
        "State": state,
        "InstanceType": "p5en.48xlarge",
        "TotalInstanceCount": 2,
        "AvailableInstanceCount": 2,
        "EndDate": datetime(2026, 12, 8, 11, 30, tzinfo=UTC),
        "Tags": MINE if tags is None else tags,
    }


def test_a_capacity_block_is_shown_and_never_cancelled() -> None:
    reservations = Listed(
        "CapacityReservations",
        _reservation("cr-block", "capacity-block"),
        _reservation("cr-mine", "default"),
        _reservation("cr-over", "default", "cancelled"),
        _reservation("cr-theirs", "default", tags=THEIRS),
    )

    def cancel(asked: dict[str, Any]) -> dict[str, Any]:
        reservations.drop("CapacityReservationId", asked["CapacityReservationId"])
        return {}

    clients = Scripted(
        {
            ("ec2", "describe_capacity_reservations"): reservations,
            ("ec2", "cancel_capacity_reservation"): cancel,
        }
    )
    before = sweep(mine(clients), Silent())
    assert [(one.id, one.usd_per_month) for one in before.left] == [("cr-mine", round(2 * 63.296 * 730, 2))]
    swept = sweep(mine(clients), Silent(), delete=True)
    assert clients.asked("cancel_capacity_reservation") == [{"CapacityReservationId": "cr-mine"}]
    assert [(one.id, one.usd_per_month) for one in swept.kept] == [("cr-block", 0.0)]
    assert "cannot be cancelled" in swept.kept[0].why
    assert "2026-12-08 11:30" in swept.kept[0].detail
    assert swept.clean


def test_spot_requests_are_cancelled_before_their_instances_end() -> None:
    """A persistent request would start the instance anew."""
    requests = Listed("SpotInstanceRequests", {"SpotInstanceRequestId": "sir-1", "State": "active", "Tags": MINE})
    instance = {"InstanceId": "i-1", "InstanceType": "x", "State": {"Name": "running"}, "Tags": MINE}
    instances = Listed("Reservations", {"Id": "r", "Instances": [instance]})

    def cancel(asked: dict[str, Any]) -> dict[str, Any]:
        requests.drop("SpotInstanceRequestId", asked["SpotInstanceRequestIds"][0])
        return {}

    def terminate(_: dict[str, Any]) -> dict[str, Any]:
        instances.records = []
        return {}

    protected = {"DisableApiTermination": {"Value": True}}
    clients = Scripted(
        {
            ("ec2", "describe_spot_instance_requests"): requests,
            ("ec2", "describe_instances"): instances,
            ("ec2", "describe_instance_attribute"): lambda _: protected,
            ("ec2", "cancel_spot_instance_requests"): cancel,
            ("ec2", "terminate_instances"): terminate,
        }
    )
    assert sweep(mine(clients), Silent(), delete=True).clean
    changes = [call for call in clients.calls if not call[0].startswith(("describe_", "list_", "get_"))]
    assert changes == [
        ("cancel_spot_instance_requests", {"SpotInstanceRequestIds": ["sir-1"]}),
        ("modify_instance_attribute", {"InstanceId": "i-1", "DisableApiTermination": {"Value": False}}),
        ("terminate_instances", {"InstanceIds": ["i-1"]}),
    ]


def test_an_interface_is_taken_from_an_instance_that_has_ended() -> None:
    attached = {
        "NetworkInterfaceId": "eni-1",
        "Status": "in-use",
        "Attachment": {"InstanceId": "i-1", "AttachmentId": "eni-attach-1"},
        "TagSet": MINE,
    }
    interfaces = Listed("NetworkInterfaces", attached)

    def detach(_: dict[str, Any]) -> dict[str, Any]:
        interfaces.records = [{"NetworkInterfaceId": "eni-1", "Status": "available", "TagSet": MINE}]
        return {}

    def delete(asked: dict[str, Any]) -> dict[str, Any]:
        interfaces.drop("NetworkInterfaceId", asked["NetworkInterfaceId"])
        return {}

    def gone(_: dict[str, Any]) -> None:
        raise refusal("InvalidInstanceID.NotFound", "DescribeInstances")

    script: dict[tuple[str, str], Any] = {
        ("ec2", "describe_network_interfaces"): interfaces,
        ("ec2", "detach_network_interface"): detach,
        ("ec2", "delete_network_interface"): delete,
        ("ec2", "describe_instances"): lambda asked: gone(asked) if asked else {"Reservations": []},
    }
    clients = Scripted(script)
    assert sweep(mine(clients), Silent(), delete=True).clean
    assert clients.asked("detach_network_interface") == [{"AttachmentId": "eni-attach-1", "Force": True}]


def test_what_a_service_made_is_waited_for_and_never_deleted() -> None:
    managed = {"NetworkInterfaceId": "eni-1", "RequesterManaged": True, "Status": "in-use", "TagSet": MINE}
    clients = Scripted({("ec2", "describe_network_interfaces"): Listed("NetworkInterfaces", managed)})
    swept = sweep(mine(clients), Silent(), delete=True, within_s=0.2)
    assert [one.id for one in swept.left] == ["eni-1"]
    assert clients.asked("delete_network_interface") == clients.asked("detach_network_interface") == []


def test_connections_to_a_service_are_turned_away_when_they_hold_it() -> None:
    services = Listed("ServiceConfigurations", {"ServiceId": "vpce-svc-1", "ServiceState": "Available", "Tags": MINE})
    connected = [{"VpcEndpointId": "vpce-9", "VpcEndpointState": "available"}]

    def delete(asked: dict[str, Any]) -> dict[str, Any]:
        if connected:
            return {"Unsuccessful": [{"Error": {"Code": "ExistingVpcEndpointConnections", "Message": "one"}}]}
        services.drop("ServiceId", asked["ServiceIds"][0])
        return {}

    def reject(_: dict[str, Any]) -> dict[str, Any]:
        connected.clear()
        return {}

    clients = Scripted(
        {
            ("ec2", "describe_vpc_endpoint_service_configurations"): services,
            ("ec2", "describe_vpc_endpoint_connections"): lambda _: {"VpcEndpointConnections": [*connected]},
            ("ec2", "reject_vpc_endpoint_connections"): reject,
            ("ec2", "delete_vpc_endpoint_service_configurations"): delete,
        }
    )
    assert sweep(mine(clients), Silent(), delete=True).clean
    asked = [{"ServiceId": "vpce-svc-1", "VpcEndpointIds": ["vpce-9"]}]
    assert clients.asked("reject_vpc_endpoint_connections") == asked


def test_a_key_that_waits_for_its_deletion_is_gone_with_its_date() -> None:
    when = datetime(2026, 11, 30, tzinfo=UTC)
    states: dict[str, Any] = {"KeyId": "key-1", "KeyState": "Enabled", "KeyManager": "CUSTOMER"}

    def schedule(_: dict[str, Any]) -> dict[str, Any]:
        states.update(KeyState="PendingDeletion", DeletionDate=when)
        return {}

    arn = "arn:aws:kms:us-east-2:123456789012:key/key-1"
    clients = Scripted(
        {
            ("kms", "list_keys"): lambda _: {"Keys": [{"KeyId": "key-1"}]},
            ("kms", "describe_key"): lambda _: {"KeyMetadata": dict(states)},
            ("kms", "list_resource_tags"): lambda _: {"Tags": [{"TagKey": STACK_TAG, "TagValue": "mine"}]},
            ("kms", "schedule_key_deletion"): schedule,
            ("resourcegroupstaggingapi", "get_resources"): lambda _: {
                "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": MINE}]
            },
        }
    )
    swept = sweep(mine(clients), Silent(), delete=True)
    assert clients.asked("schedule_key_deletion") == [{"KeyId": "key-1", "PendingWindowInDays": 7}]
    assert [(one.kind, one.id, one.gone_on) for one in swept.scheduled] == [("kms-key", "key-1", when)]
    assert swept.clean
    assert sweep(mine(clients), Silent(), delete=True).clean
    assert len(clients.asked("schedule_key_deletion")) == 1


def test_what_no_kind_is_and_carries_the_tag_is_shown_and_left() -> None:
    tagged = [
        {"ResourceARN": "arn:aws:sns:us-east-2:123456789012:alarms", "Tags": MINE},
        {"ResourceARN": "arn:aws:kms:us-east-2:123456789012:key/of-its-own-kind", "Tags": MINE},
    ]
    gateway = {"ResourceId": "igw-1", "ResourceType": "internet-gateway", "Key": STACK_TAG, "Value": "mine"}
    rule = {"ResourceId": "sgr-1", "ResourceType": "security-group-rule", "Key": STACK_TAG, "Value": "mine"}
    clients = Scripted(
        {
            ("resourcegroupstaggingapi", "get_resources"): lambda asked: (
                {"ResourceTagMappingList": [] if asked.get("ResourceTypeFilters") else tagged}
            ),
            ("ec2", "describe_tags"): lambda _: {"Tags": [gateway, rule]},
        }
    )
    swept = sweep(mine(clients), Silent(), delete=True)
    assert {(one.kind, one.id) for one in swept.left} == {("other", "igw-1"), ("other", tagged[0]["ResourceARN"])}
    assert not [name for name, _ in clients.calls if name.startswith("delete")]


def test_the_order_is_one_in_which_things_can_go() -> None:
    order = [kind.name for kind in KINDS]
    before: Callable[[str, str], bool] = lambda one, other: order.index(one) < order.index(other)  # noqa: E731 - one word
    assert before("auto-scaling-group", "instance")  # it would start them anew
    assert before("image", "snapshot")
    assert before("load-balancer", "target-group")
    assert before("subnet", "vpc")
    assert before("instance-profile", "role")
    assert before("bucket", "kms-key")
    assert before("secret", "kms-key")
    assert before("kms-alias", "kms-key")
