"""Things are removed as soon as nothing depends on them, within a bound."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.handlers import waiting
from sandbox.handlers.endpoint_service import VpcEndpointService
from sandbox.handlers.resource import Target
from sandbox.handlers.waiting import remove_when_free, wait_until
from tests.sandbox.handlers.cases import World
from tests.sandbox.handlers.recording import RecordingClients


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Delete")


def _failing(*codes: str) -> Any:
    left = list(codes)

    def remove() -> None:
        if left:
            raise _error(left.pop(0))

    remove.left = left  # type: ignore[attr-defined]  # how many failures are still to come
    return remove


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 0.001)


def test_what_is_in_use_is_tried_again() -> None:
    remove = _failing("DependencyViolation", "InvalidPlacementGroup.InUse", "DeleteConflict")
    remove_when_free(remove, "it")
    assert remove.left == []


@pytest.mark.parametrize("code", ["InvalidVpcID.NotFound", "NoSuchEntity", "NotFoundException", "NatGatewayNotFound"])
def test_what_is_gone_is_no_error(code: str) -> None:
    remove_when_free(_failing(code), "it")


def test_another_refusal_is_an_error_at_once() -> None:
    remove = _failing("UnauthorizedOperation", "never reached")
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        remove_when_free(remove, "it")
    assert len(remove.left) == 1


def test_after_the_bound_the_accounts_own_words_are_the_error() -> None:
    with pytest.raises(ClientError, match="DependencyViolation"):
        remove_when_free(_failing(*["DependencyViolation"] * 1000), "it", within_s=0)


def test_waiting_has_a_bound() -> None:
    with pytest.raises(TimeoutError, match="the moon is blue"):
        wait_until(lambda: False, "the moon is blue", within_s=0)


def test_a_subnet_waits_for_the_endpoint_that_is_going(world: World) -> None:
    vpc_id = world.vpc()
    subnet_id = world.subnet(vpc_id)
    endpoint = world.make(
        "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint", "endpoint", subnetId=subnet_id
    )
    ec2 = world.clients.client("ec2")
    ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=endpoint["id"])
    world.registry["aws:ec2/subnet:Subnet"].delete(world.clients, subnet_id, {})
    assert ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["Subnets"] == []


def test_a_whole_network_goes_while_its_parts_are_deleted_at_once(world: World) -> None:
    """Everything is told to go at the same moment: each waits for what it needs."""
    vpc_id = world.vpc()
    subnet_id, group_id = world.subnet(vpc_id), world.group(vpc_id)
    inputs = {
        "ami": world.image(),
        "instanceType": "g6e.xlarge",
        "subnetId": subnet_id,
        "vpcSecurityGroupIds": [group_id],
        "tags": world.tags("node"),
    }
    instance = world.registry["aws:ec2/instance:Instance"].create(world.clients, inputs)
    parts = [
        ("aws:ec2/vpc:Vpc", vpc_id),
        ("aws:ec2/subnet:Subnet", subnet_id),
        ("aws:ec2/securityGroup:SecurityGroup", group_id),
        ("aws:ec2/instance:Instance", instance.id),
    ]
    threads = [
        threading.Thread(target=world.registry[token].delete, args=(world.clients, resource_id, {}))
        for token, resource_id in parts
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert time.monotonic() - started < 30
    assert all(world.registry[token].read(world.clients, one, {}) is None for token, one in parts)


def test_a_protected_instance_goes_only_by_force(world: World) -> None:
    vpc_id = world.vpc()
    handler = world.registry["aws:ec2/instance:Instance"]
    inputs = {
        "ami": world.image(),
        "instanceType": "g6e.xlarge",
        "subnetId": world.subnet(vpc_id),
        "disableApiTermination": True,
        "tags": world.tags("node"),
    }
    made = handler.create(world.clients, inputs)
    world.made(handler, made.id, {**inputs, "forceDestroy": True})
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        handler.delete(world.clients, made.id, inputs)
    assert handler.read(world.clients, made.id, inputs) is not None


def test_consumers_are_turned_away_before_their_service_goes() -> None:
    clients = RecordingClients()
    with pytest.raises(KeyError):  # the recording has no more to say than who is connected
        VpcEndpointService().remove(Target(clients, "vpce-svc-1", {}))
    wanted = {"ServiceId": "vpce-svc-1", "VpcEndpointIds": ["vpce-1", "vpce-2"]}
    assert clients.calls[1:] == [
        ("reject_vpc_endpoint_connections", wanted),
        ("delete_vpc_endpoint_service_configurations", {"ServiceIds": ["vpce-svc-1"]}),
        ("describe_vpc_endpoint_service_configurations", {"ServiceIds": ["vpce-svc-1"]}),
    ]
