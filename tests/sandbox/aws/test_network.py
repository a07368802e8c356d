"""What AWS does not let go yet, and VPC endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.aws.network import Network, refused, until


def test_a_vpc_is_empty_before_it_goes(network: Network) -> None:
    ec2, vpc_id = network.ec2, network.vpc_id
    ec2.delete_subnet(SubnetId=network.subnet_id)

    group = network.group()
    refused(ec2.delete_vpc, "DependencyViolation", VpcId=vpc_id)
    ec2.delete_security_group(GroupId=group)

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    refused(ec2.delete_vpc, "DependencyViolation", VpcId=vpc_id)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)

    endpoint = ec2.create_vpc_endpoint(VpcId=vpc_id, ServiceName="com.amazonaws.us-east-2.s3")["VpcEndpoint"]
    refused(ec2.delete_vpc, "DependencyViolation", VpcId=vpc_id)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    until(lambda: not ec2.describe_vpc_endpoints(Filters=network.of_vpc())["VpcEndpoints"])

    ec2.delete_vpc(VpcId=vpc_id)
    assert ec2.describe_network_acls(Filters=network.of_vpc())["NetworkAcls"] == []
    network.vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


def test_a_group_that_another_names_stays(network: Network) -> None:
    ec2, named, naming = network.ec2, network.group("named"), network.group("naming")
    permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": named}]}
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=[permission])
    refused(ec2.delete_security_group, "DependencyViolation", GroupId=named)
    ec2.delete_security_group(GroupId=naming)
    ec2.delete_security_group(GroupId=named)


def test_a_group_that_names_itself_goes(network: Network) -> None:
    group = network.group()
    permission = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    network.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    network.ec2.delete_security_group(GroupId=group)


def test_the_default_group_stays(network: Network) -> None:
    groups = network.ec2.describe_security_groups(Filters=network.of_vpc())["SecurityGroups"]
    refused(network.ec2.delete_security_group, "CannotDelete", GroupId=groups[0]["GroupId"])


def test_an_interface_in_use_stays(network: Network) -> None:
    network.ec2.create_instance_connect_endpoint(SubnetId=network.subnet_id)
    (interface,) = network.interfaces()
    refused(
        network.ec2.delete_network_interface,
        "InvalidNetworkInterface.InUse",
        NetworkInterfaceId=interface["NetworkInterfaceId"],
    )


def test_a_nat_gateway_takes_its_interface_along(network: Network) -> None:
    ec2 = network.ec2
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=network.subnet_id, AllocationId=address)["NatGateway"]["NatGatewayId"]
    refused(ec2.delete_subnet, "DependencyViolation", SubnetId=network.subnet_id)
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    assert network.interfaces() == []
    assert ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"][0]["State"] == "deleted"
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    ec2.release_address(AllocationId=address)
    refused(ec2.delete_nat_gateway, "NatGatewayNotFound", NatGatewayId="nat-0123456789abcdef0")


def _dns(network: Network) -> None:
    network.ec2.modify_vpc_attribute(VpcId=network.vpc_id, EnableDnsHostnames={"Value": True})


def _endpoint(network: Network, **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = network.ec2.create_vpc_endpoint(
        VpcId=network.vpc_id,
        **{
            "ServiceName": "com.amazonaws.us-east-2.kms",
            "VpcEndpointType": "Interface",
            "SubnetIds": [network.subnet_id],
            **arguments,
        },
    )["VpcEndpoint"]
    return made


def test_an_interface_endpoint_has_interfaces_of_its_own(network: Network) -> None:
    ec2, group, other = network.ec2, network.group(), network.group("other")
    _dns(network)
    made = _endpoint(network, SecurityGroupIds=[group], TagSpecifications=network.tagged("vpc-endpoint"))
    (interface,) = network.interfaces()
    assert made["NetworkInterfaceIds"] == [interface["NetworkInterfaceId"]]
    assert interface["PrivateIpAddress"].startswith("10.0.1.")
    assert [one["GroupId"] for one in interface["Groups"]] == [group]
    refused(ec2.delete_security_group, "DependencyViolation", GroupId=group)

    subnet_id = network.subnet("10.0.2.0/24", "us-east-2b")
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made["VpcEndpointId"],
        AddSubnetIds=[subnet_id],
        RemoveSubnetIds=[network.subnet_id],
        AddSecurityGroupIds=[other],
        RemoveSecurityGroupIds=[group],
    )
    (moved,) = network.interfaces()
    assert (moved["SubnetId"], [one["GroupId"] for one in moved["Groups"]]) == (subnet_id, [other])

    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    until(lambda: not network.interfaces())
    refused(ec2.describe_vpc_endpoints, "InvalidVpcEndpointId.NotFound", VpcEndpointIds=[made["VpcEndpointId"]])


def test_private_dns_needs_a_vpc_that_resolves_names(network: Network) -> None:
    refused(_endpoint, "InvalidParameter", network=network, PrivateDnsEnabled=True)
    assert network.interfaces() == []
    _dns(network)
    assert _endpoint(network, PrivateDnsEnabled=True)["PrivateDnsEnabled"] is True


@pytest.mark.parametrize("service", ["com.amazonaws.us-east-2.typo", "com.amazonaws.eu-north-1.kms", "kms"])
def test_a_service_that_does_not_exist_has_no_endpoint(network: Network, service: str) -> None:
    refused(_endpoint, "InvalidServiceName", network=network, ServiceName=service)


def test_the_services_that_a_private_node_needs_have_one(network: Network) -> None:
    needed = ("ecr.api", "ecr.dkr", "ssm", "ssmmessages", "ec2messages", "logs", "monitoring", "kms", "secretsmanager")
    for service in (*needed, "sts", "ec2"):
        made = _endpoint(network, ServiceName=f"com.amazonaws.us-east-2.{service}", PrivateDnsEnabled=False)
        assert made["ServiceName"].endswith(f".{service}")
    assert len(network.interfaces()) == len(needed) + 2


def test_a_gateway_endpoint_is_a_route(network: Network) -> None:
    ec2 = network.ec2
    tables = [ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"] for _ in range(2)]
    made = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id, ServiceName="com.amazonaws.us-east-2.s3", RouteTableIds=tables[:1]
    )["VpcEndpoint"]
    assert made["VpcEndpointType"] == "Gateway"
    lists = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-2.s3"]}])[
        "PrefixLists"
    ]
    assert lists[0]["Cidrs"]

    def routed() -> list[bool]:
        found = ec2.describe_route_tables(RouteTableIds=tables)["RouteTables"]
        by_id = {table["RouteTableId"]: table["Routes"] for table in found}
        wanted = (lists[0]["PrefixListId"], made["VpcEndpointId"])
        return [
            any((route.get("DestinationPrefixListId"), route.get("GatewayId")) == wanted for route in by_id[table])
            for table in tables
        ]

    assert routed() == [True, False]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made["VpcEndpointId"], AddRouteTableIds=tables[1:], RemoveRouteTableIds=tables[:1]
    )
    assert routed() == [False, True]
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    until(lambda: routed() == [False, False])
    for table in tables:
        ec2.delete_route_table(RouteTableId=table)


def test_unknown_endpoints_are_told_one_by_one(network: Network) -> None:
    answer = network.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"])
    assert answer["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"


def test_rules_of_every_kind_can_be_rewritten(network: Network) -> None:
    ec2, group, other = network.ec2, network.group(), network.group("other")
    pair = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group}]}
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[pair])
    rule_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    new = {"IpProtocol": "-1", "ReferencedGroupId": other}
    changed = {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": new}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[changed])
    (rule,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]
    assert (rule["IpProtocol"], rule["ReferencedGroupInfo"]["GroupId"]) == ("-1", other)
    unknown = {**changed, "SecurityGroupRuleId": "sgr-0123456789abcdef0"}
    refused(
        ec2.modify_security_group_rules,
        "InvalidSecurityGroupRuleId.NotFound",
        GroupId=group,
        SecurityGroupRules=[unknown],
    )
    ec2.delete_security_group(GroupId=group)
