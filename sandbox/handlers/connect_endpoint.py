"""EC2 Instance Connect Endpoints."""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource
from sandbox.handlers.resource import Record, Target, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free, wait_until


class InstanceConnectEndpoint(Ec2Resource):
    """`aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint`; the module's name is the provider's."""

    type = "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint"
    fixed = frozenset({"ipAddressType", "preserveClientIp", "securityGroupIds", "subnetId"})
    in_place = frozenset({"tags", "timeouts"})
    required = frozenset({"subnetId"})
    unordered = frozenset({"securityGroupIds"})
    kind = "instance-connect-endpoint"
    describe_call, records_key = "describe_instance_connect_endpoints", "InstanceConnectEndpoints"
    ids_argument, id_key = "InstanceConnectEndpointIds", "InstanceConnectEndpointId"

    def alive(self, record: Record) -> bool:
        """Tell whether the endpoint is there and not on its way out."""
        return not record["State"].startswith("delete-") and record["State"] != "create-failed"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the endpoint."""
        names = {
            "ipAddressType": "IpAddressType",
            "preserveClientIp": "PreserveClientIp",
            "securityGroupIds": "SecurityGroupIds",
        }
        arguments: dict[str, Any] = {
            api_name: inputs[name] for name, api_name in names.items() if inputs.get(name) is not None
        }
        made = clients.client("ec2").create_instance_connect_endpoint(
            SubnetId=inputs["subnetId"], ClientToken=str(uuid.uuid4()), **arguments, **self.tagged(inputs)
        )
        return str(made["InstanceConnectEndpoint"]["InstanceConnectEndpointId"])

    def complete(self, target: Target) -> None:
        """Wait until the endpoint takes connections."""

        def ready() -> bool:
            return bool((self.describe(target) or {}).get("State") == "create-complete")

        wait_until(ready, f"{target.id} is ready")

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": record["InstanceConnectEndpointArn"],
            "availabilityZone": record["AvailabilityZone"],
            "dnsName": record["DnsName"],
            "fipsDnsName": record["FipsDnsName"],
            "ipAddressType": record["IpAddressType"],
            "networkInterfaceIds": record["NetworkInterfaceIds"],
            "ownerId": record["OwnerId"],
            "preserveClientIp": record["PreserveClientIp"],
            "securityGroupIds": record["SecurityGroupIds"],
            "subnetId": record["SubnetId"],
            "vpcId": record["VpcId"],
            **tag_outputs(record.get("Tags")),
        }

    def _gone(self, target: Target) -> bool:
        try:
            records = target.ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=[target.id])
        except ClientError as error:
            if is_gone(error):
                return True
            raise
        return all(one["State"] == "delete-complete" for one in records["InstanceConnectEndpoints"])

    def remove(self, target: Target) -> None:
        """Delete the endpoint and wait until its interface is gone, too."""

        def delete() -> None:
            target.ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=target.id)

        remove_when_free(delete, target.id)
        wait_until(lambda: self._gone(target), f"{target.id} is deleted")
