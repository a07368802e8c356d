"""The ways out of a network: internet gateways, elastic addresses, NAT gateways.

A private stack has none of them. They are here so that a policy that forbids them can be shown at work.
"""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import code_of, remove_when_free, wait_until


class InternetGateway(Ec2Resource):
    """`aws:ec2/internetGateway:InternetGateway`."""

    type = "aws:ec2/internetGateway:InternetGateway"
    in_place = frozenset({"vpcId", "tags"})
    kind = "internet-gateway"
    describe_call, records_key = "describe_internet_gateways", "InternetGateways"
    ids_argument, id_key = "InternetGatewayIds", "InternetGatewayId"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the gateway."""
        made = clients.client("ec2").create_internet_gateway(**self.tagged(inputs))
        return str(made["InternetGateway"]["InternetGatewayId"])

    def complete(self, target: Target) -> None:
        """Attach the gateway to its VPC."""
        record = self.describe(target) or {}
        attached = {one["VpcId"] for one in record.get("Attachments", [])}
        vpc_id = target.inputs.get("vpcId")
        if vpc_id and vpc_id not in attached:
            target.ec2.attach_internet_gateway(InternetGatewayId=target.id, VpcId=vpc_id)

    def _detach(self, target: Target, vpc_id: str) -> None:
        def detach() -> None:
            try:
                target.ec2.detach_internet_gateway(InternetGatewayId=target.id, VpcId=vpc_id)
            except ClientError as error:
                if code_of(error) != "Gateway.NotAttached":
                    raise

        remove_when_free(detach, f"{target.id} in {vpc_id}")

    def change(self, change: Change) -> None:
        """Move the gateway to another VPC."""
        if "vpcId" in change.names:
            if change.old.get("vpcId"):
                self._detach(change, change.old["vpcId"])
            self.complete(change)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        attachments = record.get("Attachments", [])
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "vpcId": attachments[0]["VpcId"] if attachments else "",
            "ownerId": record["OwnerId"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Detach and delete the gateway."""
        for attachment in (self.describe(target) or {}).get("Attachments", []):
            self._detach(target, attachment["VpcId"])
        remove_when_free(lambda: target.ec2.delete_internet_gateway(InternetGatewayId=target.id), target.id)


class Eip(Ec2Resource):
    """`aws:ec2/eip:Eip`."""

    type = "aws:ec2/eip:Eip"
    fixed = frozenset({"domain"})
    in_place = frozenset({"instance", "networkInterface", "tags"})
    kind = "elastic-ip"
    describe_call, records_key = "describe_addresses", "Addresses"
    ids_argument, id_key = "AllocationIds", "AllocationId"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Allocate the address."""
        made = clients.client("ec2").allocate_address(Domain=inputs.get("domain", "vpc"), **self.tagged(inputs))
        return str(made["AllocationId"])

    def complete(self, target: Target) -> None:
        """Associate the address with what it is for."""
        names = {"instance": "InstanceId", "networkInterface": "NetworkInterfaceId"}
        end = {api_name: target.inputs[name] for name, api_name in names.items() if target.inputs.get(name)}
        if end:
            target.ec2.associate_address(AllocationId=target.id, AllowReassociation=True, **end)

    def _disassociate(self, target: Target) -> None:
        association_id = (self.describe(target) or {}).get("AssociationId")
        if association_id:
            target.ec2.disassociate_address(AssociationId=association_id)

    def change(self, change: Change) -> None:
        """Associate the address with something else, or nothing."""
        if change.names & {"instance", "networkInterface"}:
            self._disassociate(change)
            self.complete(change)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        dashed = record["PublicIp"].replace(".", "-")
        return {
            "arn": self.arn(target, account_id(target.clients)),
            "domain": record["Domain"],
            "allocationId": target.id,
            "associationId": record.get("AssociationId", ""),
            "publicIp": record["PublicIp"],
            "publicDns": f"ec2-{dashed}.{target.clients.region}.compute.amazonaws.com",
            "privateIp": record.get("PrivateIpAddress", ""),
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Release the address."""
        self._disassociate(target)
        remove_when_free(lambda: target.ec2.release_address(AllocationId=target.id), target.id)


class NatGateway(Ec2Resource):
    """`aws:ec2/natGateway:NatGateway`."""

    type = "aws:ec2/natGateway:NatGateway"
    fixed = frozenset({"allocationId", "connectivityType", "privateIp", "subnetId"})
    in_place = frozenset({"tags"})
    required = frozenset({"subnetId"})
    kind = "natgateway"
    describe_call, records_key = "describe_nat_gateways", "NatGateways"
    ids_argument, id_key, filters_argument = "NatGatewayIds", "NatGatewayId", "Filter"

    def alive(self, record: Record) -> bool:
        """Tell whether the gateway is there: deleted ones are shown for a while."""
        return record["State"] not in {"deleted", "deleting", "failed"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the gateway."""
        names = {"allocationId": "AllocationId", "privateIp": "PrivateIpAddress"}
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        made = clients.client("ec2").create_nat_gateway(
            SubnetId=inputs["subnetId"],
            ConnectivityType=inputs.get("connectivityType", "public"),
            ClientToken=str(uuid.uuid4()),
            **arguments,
            **self.tagged(inputs),
        )
        return str(made["NatGateway"]["NatGatewayId"])

    def complete(self, target: Target) -> None:
        """Wait until the gateway is available."""

        def available() -> bool:
            return (self.describe(target) or {}).get("State") == "available"

        wait_until(available, f"{target.id} is available")

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        addresses = record.get("NatGatewayAddresses") or [{}]
        return {
            "subnetId": record["SubnetId"],
            "connectivityType": record["ConnectivityType"],
            "networkInterfaceId": addresses[0].get("NetworkInterfaceId", ""),
            "privateIp": addresses[0].get("PrivateIp", ""),
            "publicIp": addresses[0].get("PublicIp", ""),
            "associationId": addresses[0].get("AssociationId", ""),
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the gateway and wait until it is gone."""
        remove_when_free(lambda: target.ec2.delete_nat_gateway(NatGatewayId=target.id), target.id)
        wait_until(lambda: self.describe(target) is None, f"{target.id} is deleted")
