"""What takes its time: states on the way, and what is refused until it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.aws.images import IMAGES
from tests.sandbox.aws.network import Network, refused
from tests.sandbox.aws.timed import TimedAccount, timed

pytestmark = pytest.mark.slow

__all__ = ["timed"]

P5EN = "p5en.48xlarge"


@pytest.fixture
def network(timed: TimedAccount) -> Iterator[Network]:  # the fixture above
    network = Network(timed.ec2)
    yield network
    network.clear(timed.clock.forward)


def test_connect_endpoint(timed: TimedAccount, network: Network) -> None:
    ec2, group = timed.ec2, network.group()
    made = ec2.create_instance_connect_endpoint(SubnetId=network.subnet_id, SecurityGroupIds=[group])
    which = {"InstanceConnectEndpointId": made["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]}

    def state() -> str:
        found = ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=list(which.values()))
        return str(found["InstanceConnectEndpoints"][0]["State"])

    assert state() == "create-in-progress"
    timed.clock.forward(seconds=1)
    assert state() == "create-complete"
    ec2.delete_instance_connect_endpoint(**which)
    assert state() == "delete-in-progress"
    refused(ec2.delete_subnet, "DependencyViolation", SubnetId=network.subnet_id)
    refused(ec2.delete_security_group, "DependencyViolation", GroupId=group)
    refused(ec2.delete_vpc, "DependencyViolation", VpcId=network.vpc_id)
    timed.clock.forward(seconds=1)
    refused(state, "InvalidInstanceConnectEndpointId.NotFound")
    assert network.interfaces() == []
    ec2.delete_security_group(GroupId=group)


def test_interface_endpoint(timed: TimedAccount, network: Network) -> None:
    ec2 = timed.ec2
    made = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id,
        ServiceName="com.amazonaws.us-east-2.kms",
        VpcEndpointType="Interface",
        SubnetIds=[network.subnet_id],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]
    ids = {"VpcEndpointIds": [made["VpcEndpointId"]]}
    ec2.delete_vpc_endpoints(**ids)
    assert ec2.describe_vpc_endpoints(**ids)["VpcEndpoints"][0]["State"] == "deleting"
    refused(ec2.delete_subnet, "DependencyViolation", SubnetId=network.subnet_id)
    timed.clock.forward(seconds=1)
    refused(ec2.describe_vpc_endpoints, "InvalidVpcEndpointId.NotFound", **ids)
    assert network.interfaces() == []


def _run(network: Network, **arguments: Any) -> str:
    made = network.ec2.run_instances(
        ImageId=IMAGES[0].id, MinCount=1, MaxCount=1, SubnetId=network.subnet_id, **arguments
    )
    return str(made["Instances"][0]["InstanceId"])


def test_instance(timed: TimedAccount, network: Network) -> None:
    ec2 = timed.ec2
    ec2.create_placement_group(GroupName="close", Strategy="cluster")
    instance_id = _run(network, InstanceType=P5EN, Placement={"GroupName": "close"})

    def state() -> str:
        found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return str(found["State"]["Name"])

    assert state() == "pending"
    timed.clock.forward(seconds=1)
    assert state() == "running"
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert state() == "shutting-down"
    assert network.interfaces()
    refused(ec2.delete_placement_group, "InvalidPlacementGroup.InUse", GroupName="close")
    timed.clock.forward(seconds=1)
    assert state() == "terminated"
    assert network.interfaces() == []
    ec2.delete_placement_group(GroupName="close")
    assert ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]["CurrentState"] == {
        "Code": 48,
        "Name": "terminated",
    }


def test_a_reservation_ends(timed: TimedAccount) -> None:
    ec2, clock = timed.ec2, timed.clock
    made = ec2.create_capacity_reservation(
        InstanceType=P5EN,
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="us-east-2a",
        InstanceCount=1,
        EndDateType="limited",
        EndDate=clock() + timedelta(hours=8),
    )["CapacityReservation"]
    which = {"CapacityReservationIds": [made["CapacityReservationId"]]}
    assert ec2.describe_capacity_reservations(**which)["CapacityReservations"][0]["State"] == "active"
    clock.forward(hours=8)
    assert ec2.describe_capacity_reservations(**which)["CapacityReservations"][0]["State"] == "expired"


def test_a_block_begins_and_ends(timed: TimedAccount, network: Network) -> None:
    ec2, clock = timed.ec2, timed.clock
    offerings = ec2.describe_capacity_block_offerings(
        InstanceType=P5EN, InstanceCount=1, CapacityDurationHours=24, StartDateRange=clock() + timedelta(days=1)
    )["CapacityBlockOfferings"]
    offering = next(one for one in offerings if one["AvailabilityZone"] == "us-east-2a")
    bought = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offering["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )
    reservation_id = bought["CapacityReservation"]["CapacityReservationId"]
    launch = {
        "InstanceType": P5EN,
        "InstanceMarketOptions": {"MarketType": "capacity-block"},
        "CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": reservation_id}},
    }
    extension = {"CapacityReservationId": reservation_id, "CapacityBlockExtensionDurationHours": 24}

    refused(_run, "InvalidCapacityReservationState.PendingActivation", network=network, **launch)
    clock.now = offering["StartDate"]
    _run(network, **launch)
    assert ec2.describe_capacity_block_extension_offerings(**extension)["CapacityBlockExtensionOfferings"]
    clock.now = offering["EndDate"] - timedelta(minutes=59)
    refused(ec2.describe_capacity_block_extension_offerings, "UnsupportedOperation", **extension)
    clock.now = offering["EndDate"]
    refused(_run, "IncorrectState", network=network, **launch)
    blocks = ec2.describe_capacity_blocks(CapacityBlockIds=[bought["CapacityBlocks"][0]["CapacityBlockId"]])
    assert blocks["CapacityBlocks"][0]["State"] == "expired"


def test_an_offering_is_not_good_for_ever(timed: TimedAccount) -> None:
    offering = timed.ec2.describe_capacity_block_offerings(
        InstanceType=P5EN, InstanceCount=1, CapacityDurationHours=24
    )["CapacityBlockOfferings"][0]
    timed.clock.forward(days=2)
    refused(
        timed.ec2.purchase_capacity_block,
        "InvalidCapacityBlockOfferingIdExpired",
        CapacityBlockOfferingId=offering["CapacityBlockOfferingId"],
        InstancePlatform="Linux/UNIX",
    )
