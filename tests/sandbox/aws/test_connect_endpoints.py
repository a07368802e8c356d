"""EC2 Instance Connect Endpoints."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.aws.network import Network, code_of, refused, until


def _state(network: Network, endpoint_id: str) -> str:
    found = network.ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=[endpoint_id])
    return str(found["InstanceConnectEndpoints"][0]["State"])


def test_it_comes_and_goes_in_its_own_time(network: Network) -> None:
    ec2, group = network.ec2, network.group()
    made = ec2.create_instance_connect_endpoint(
        SubnetId=network.subnet_id,
        SecurityGroupIds=[group],
        PreserveClientIp=False,
        TagSpecifications=network.tagged("instance-connect-endpoint"),
    )["InstanceConnectEndpoint"]
    endpoint_id = made["InstanceConnectEndpointId"]
    assert made["State"] == "create-in-progress"
    assert made["DnsName"] == f"{endpoint_id}.ec2-instance-connect-endpoint.us-east-2.amazonaws.com"
    assert (made["VpcId"], made["SubnetId"], made["AvailabilityZone"]) == (
        network.vpc_id,
        network.subnet_id,
        "us-east-2a",
    )
    assert made["SecurityGroupIds"] == [group]
    assert made["Tags"] == network.tags
    until(lambda: _state(network, endpoint_id) == "create-complete")

    (interface,) = network.interfaces()
    assert made["NetworkInterfaceIds"] == [interface["NetworkInterfaceId"]]
    assert interface["RequesterManaged"]
    assert interface["PrivateIpAddress"].startswith("10.0.1.")
    assert [one["GroupId"] for one in interface["Groups"]] == [group]

    gone = ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=endpoint_id)["InstanceConnectEndpoint"]
    assert gone["State"] == "delete-in-progress"
    until(lambda: not network.interfaces())
    refused(_state, "InvalidInstanceConnectEndpointId.NotFound", network=network, endpoint_id=endpoint_id)


def test_without_groups_it_takes_the_default_one(network: Network) -> None:
    made = network.ec2.create_instance_connect_endpoint(SubnetId=network.subnet_id)["InstanceConnectEndpoint"]
    groups = network.ec2.describe_security_groups(GroupIds=made["SecurityGroupIds"])["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]


def test_a_vpc_has_one(network: Network) -> None:
    network.ec2.create_instance_connect_endpoint(SubnetId=network.subnet_id)
    with pytest.raises(ClientError) as refusal:
        network.ec2.create_instance_connect_endpoint(SubnetId=network.subnet("10.0.2.0/24", "us-east-2b"))
    assert code_of(refusal.value) == "ResourceLimitExceeded"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": []}]}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_cannot_be_made(network: Network, arguments: dict[str, object], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        network.ec2.create_instance_connect_endpoint(**{"SubnetId": network.subnet_id, **arguments})
    assert code_of(refusal.value) == code
    assert network.interfaces() == []


def test_filters(network: Network) -> None:
    made = network.ec2.create_instance_connect_endpoint(
        SubnetId=network.subnet_id, TagSpecifications=network.tagged("instance-connect-endpoint")
    )["InstanceConnectEndpoint"]
    until(lambda: _state(network, made["InstanceConnectEndpointId"]) == "create-complete")

    def found(name: str, *values: str) -> bool:
        filters = [{"Name": "vpc-id", "Values": [network.vpc_id]}, {"Name": name, "Values": list(values)}]
        answer = network.ec2.describe_instance_connect_endpoints(Filters=filters)["InstanceConnectEndpoints"]
        return [one["InstanceConnectEndpointId"] for one in answer] == [made["InstanceConnectEndpointId"]]

    assert found("tag:cloister:stack", network.name)
    assert found("tag-key", "cloister:*")
    assert found("state", "create-complete", "update-complete")
    assert found("subnet-id", network.subnet_id)
    assert not found("state", "delete-in-progress")
    assert not found("tag:cloister:stack", "another")
    with pytest.raises(ClientError) as refusal:
        found("colour", "blue")
    assert code_of(refusal.value) == "InvalidParameterValue"
