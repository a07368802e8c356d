"""VPCs and subnets."""

from __future__ import annotations

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import remove_when_free

_VPC_ATTRIBUTES = {
    "enableDnsSupport": ("EnableDnsSupport", True),
    "enableDnsHostnames": ("EnableDnsHostnames", False),
    "enableNetworkAddressUsageMetrics": ("EnableNetworkAddressUsageMetrics", False),
}
"""Input -> the API's name, and what a new VPC has."""


class Vpc(Ec2Resource):
    """`aws:ec2/vpc:Vpc`."""

    type = "aws:ec2/vpc:Vpc"
    fixed = frozenset({"cidrBlock", "instanceTenancy"})
    in_place = frozenset({*_VPC_ATTRIBUTES, "tags"})
    required = frozenset({"cidrBlock"})
    kind = "vpc"
    describe_call, records_key, ids_argument, id_key = "describe_vpcs", "Vpcs", "VpcIds", "VpcId"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the VPC."""
        made = clients.client("ec2").create_vpc(
            CidrBlock=inputs["cidrBlock"],
            InstanceTenancy=inputs.get("instanceTenancy", "default"),
            **self.tagged(inputs),
        )
        return str(made["Vpc"]["VpcId"])

    def complete(self, target: Target) -> None:
        """Set the attributes that a new VPC does not have."""
        for name, (_, default) in _VPC_ATTRIBUTES.items():
            if target.inputs.get(name, default) != default:
                self._set(target, name)

    def change(self, change: Change) -> None:
        """Set the attributes that differ."""
        for name in change.names & _VPC_ATTRIBUTES.keys():
            self._set(change, name)

    @staticmethod
    def _set(target: Target, name: str) -> None:
        api_name, default = _VPC_ATTRIBUTES[name]
        target.ec2.modify_vpc_attribute(VpcId=target.id, **{api_name: {"Value": target.inputs.get(name, default)}})

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says, with the parts that a VPC is born with."""
        ec2, of_vpc = target.ec2, {"Name": "vpc-id", "Values": [target.id]}
        groups = ec2.describe_security_groups(Filters=[of_vpc, {"Name": "group-name", "Values": ["default"]}])
        tables = ec2.describe_route_tables(Filters=[of_vpc, {"Name": "association.main", "Values": ["true"]}])
        acls = ec2.describe_network_acls(Filters=[of_vpc, {"Name": "default", "Values": ["true"]}])
        table_id = tables["RouteTables"][0]["RouteTableId"]
        attributes = {
            name: ec2.describe_vpc_attribute(VpcId=target.id, Attribute=name)[api_name]["Value"]
            for name, (api_name, _) in _VPC_ATTRIBUTES.items()
        }
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "cidrBlock": record["CidrBlock"],
            "instanceTenancy": record["InstanceTenancy"],
            "ownerId": record["OwnerId"],
            "dhcpOptionsId": record["DhcpOptionsId"],
            "defaultSecurityGroupId": groups["SecurityGroups"][0]["GroupId"],
            "defaultRouteTableId": table_id,
            "mainRouteTableId": table_id,
            "defaultNetworkAclId": acls["NetworkAcls"][0]["NetworkAclId"],
            **attributes,
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the VPC once nothing is in it."""
        remove_when_free(lambda: target.ec2.delete_vpc(VpcId=target.id), target.id)


class Subnet(Ec2Resource):
    """`aws:ec2/subnet:Subnet`."""

    type = "aws:ec2/subnet:Subnet"
    fixed = frozenset({"vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"})
    in_place = frozenset({"mapPublicIpOnLaunch", "tags"})
    required = frozenset({"vpcId", "cidrBlock"})
    kind = "subnet"
    describe_call, records_key, ids_argument, id_key = "describe_subnets", "Subnets", "SubnetIds", "SubnetId"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the subnet."""
        names = {"availabilityZone": "AvailabilityZone", "availabilityZoneId": "AvailabilityZoneId"}
        zone = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        made = clients.client("ec2").create_subnet(
            VpcId=inputs["vpcId"], CidrBlock=inputs["cidrBlock"], **zone, **self.tagged(inputs)
        )
        return str(made["Subnet"]["SubnetId"])

    def complete(self, target: Target) -> None:
        """Say whether instances get public addresses: unless asked for, they never do."""
        wanted = bool(target.inputs.get("mapPublicIpOnLaunch", False))
        target.ec2.modify_subnet_attribute(SubnetId=target.id, MapPublicIpOnLaunch={"Value": wanted})

    def change(self, change: Change) -> None:
        """Change whether instances get public addresses."""
        if "mapPublicIpOnLaunch" in change.names:
            self.complete(change)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "vpcId": record["VpcId"],
            "cidrBlock": record["CidrBlock"],
            "availabilityZone": record["AvailabilityZone"],
            "availabilityZoneId": record["AvailabilityZoneId"],
            "mapPublicIpOnLaunch": record["MapPublicIpOnLaunch"],
            "ownerId": record["OwnerId"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the subnet once no interface is in it."""
        remove_when_free(lambda: target.ec2.delete_subnet(SubnetId=target.id), target.id)
