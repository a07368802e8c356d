"""Ways between networks: peering, and attachments to a transit gateway."""

from __future__ import annotations

from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.resource import Record, Target, tag_outputs
from sandbox.handlers.waiting import remove_when_free, wait_until

ATTACHED_WITHIN_S = 600.0


class VpcPeeringConnection(Ec2Resource):
    """`aws:ec2/vpcPeeringConnection:VpcPeeringConnection` between two VPCs of one account and region."""

    type = "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"
    fixed = frozenset({"peerVpcId", "vpcId"})
    in_place = frozenset({"autoAccept", "tags"})
    required = frozenset({"peerVpcId", "vpcId"})
    kind = "vpc-peering-connection"
    describe_call, records_key = "describe_vpc_peering_connections", "VpcPeeringConnections"
    ids_argument, id_key = "VpcPeeringConnectionIds", "VpcPeeringConnectionId"

    def alive(self, record: Record) -> bool:
        """Tell whether the connection is there or being made: AWS shows the others for hours."""
        return record["Status"]["Code"] in {"initiating-request", "pending-acceptance", "provisioning", "active"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Ask for the connection."""
        made = clients.client("ec2").create_vpc_peering_connection(
            VpcId=inputs["vpcId"], PeerVpcId=inputs["peerVpcId"], **self.tagged(inputs)
        )
        return str(made["VpcPeeringConnection"]["VpcPeeringConnectionId"])

    def _status(self, target: Target) -> str:
        return str((self.describe(target) or {}).get("Status", {}).get("Code", ""))

    def complete(self, target: Target) -> None:
        """Accept the connection, where that is wanted, and wait until it is there."""
        if not target.inputs.get("autoAccept"):
            return
        wait_until(lambda: self._status(target) in {"pending-acceptance", "active"}, f"{target.id} can be accepted")
        if self._status(target) == "pending-acceptance":
            target.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=target.id)
        wait_until(lambda: self._status(target) == "active", f"{target.id} is active")

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        accepter, requester = record["AccepterVpcInfo"], record["RequesterVpcInfo"]
        return {
            "acceptStatus": record["Status"]["Code"],
            "peerOwnerId": accepter["OwnerId"],
            "peerRegion": accepter["Region"],
            "peerVpcId": accepter["VpcId"],
            "vpcId": requester["VpcId"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the connection."""
        if self.describe(target) is None:
            return

        def delete() -> None:
            target.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=target.id)

        remove_when_free(delete, target.id)
        wait_until(lambda: self.describe(target) is None, f"{target.id} is deleted")


_SUPPORT = {"applianceModeSupport": "ApplianceModeSupport", "dnsSupport": "DnsSupport", "ipv6Support": "Ipv6Support"}


class TransitGatewayVpcAttachment(Ec2Resource):
    """`aws:ec2transitgateway/vpcAttachment:VpcAttachment`."""

    type = "aws:ec2transitgateway/vpcAttachment:VpcAttachment"
    fixed = frozenset({*_SUPPORT, "subnetIds", "transitGatewayId", "vpcId"})
    in_place = frozenset({"tags"})
    required = frozenset({"subnetIds", "transitGatewayId", "vpcId"})
    unordered = frozenset({"subnetIds"})
    kind = "transit-gateway-attachment"
    describe_call, records_key = "describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"
    ids_argument, id_key = "TransitGatewayAttachmentIds", "TransitGatewayAttachmentId"

    def alive(self, record: Record) -> bool:
        """Tell whether the attachment is there or being made: AWS shows deleted ones for a while."""
        return record["State"] in {"initiating", "initiatingRequest", "pendingAcceptance", "pending", "available"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the attachment."""
        options: dict[str, Any] = {api: inputs[name] for name, api in _SUPPORT.items() if inputs.get(name)}
        made = clients.client("ec2").create_transit_gateway_vpc_attachment(
            TransitGatewayId=inputs["transitGatewayId"],
            VpcId=inputs["vpcId"],
            SubnetIds=inputs["subnetIds"],
            **({"Options": options} if options else {}),
            **self.tagged(inputs),
        )
        return str(made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])

    def complete(self, target: Target) -> None:
        """Wait until the attachment is there, or waits for the gateway's owner."""

        def made() -> bool:
            return (self.describe(target) or {}).get("State") in {"available", "pendingAcceptance"}

        wait_until(made, f"{target.id} is available", ATTACHED_WITHIN_S)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        options = record.get("Options") or {}
        return {
            "arn": self.arn(target, account_id(target.clients)),
            "subnetIds": record["SubnetIds"],
            "transitGatewayId": record["TransitGatewayId"],
            "vpcId": record["VpcId"],
            "vpcOwnerId": record["VpcOwnerId"],
            **{name: options[api_name] for name, api_name in _SUPPORT.items() if api_name in options},
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the attachment and wait until it lets go of its subnets."""
        if self.describe(target) is None:
            return

        def delete() -> None:
            target.ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=target.id)

        remove_when_free(delete, target.id)
        wait_until(lambda: self._gone(target), f"{target.id} is deleted", ATTACHED_WITHIN_S)

    def _gone(self, target: Target) -> bool:
        found = target.ec2.describe_transit_gateway_vpc_attachments(
            Filters=[{"Name": "transit-gateway-attachment-id", "Values": [target.id]}]
        )["TransitGatewayVpcAttachments"]
        return all(one["State"] == "deleted" for one in found)
