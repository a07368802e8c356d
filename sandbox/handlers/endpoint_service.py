"""PrivateLink endpoint services: an endpoint offered to networks that are joined in no other way."""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free, wait_until


class VpcEndpointService(Ec2Resource):
    """`aws:ec2/vpcEndpointService:VpcEndpointService`, behind network load balancers."""

    type = "aws:ec2/vpcEndpointService:VpcEndpointService"
    in_place = frozenset({"acceptanceRequired", "allowedPrincipals", "networkLoadBalancerArns", "tags"})
    required = frozenset({"acceptanceRequired", "networkLoadBalancerArns"})
    unordered = frozenset({"allowedPrincipals", "networkLoadBalancerArns"})
    kind = "vpc-endpoint-service"
    describe_call, records_key = "describe_vpc_endpoint_service_configurations", "ServiceConfigurations"
    ids_argument, id_key = "ServiceIds", "ServiceId"

    def alive(self, record: Record) -> bool:
        """Tell whether the service is there and not on its way out."""
        return record["ServiceState"].lower() not in {"deleting", "deleted", "failed"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the service, open to nobody yet."""
        made = clients.client("ec2").create_vpc_endpoint_service_configuration(
            AcceptanceRequired=inputs["acceptanceRequired"],
            NetworkLoadBalancerArns=inputs["networkLoadBalancerArns"],
            ClientToken=str(uuid.uuid4()),
            **self.tagged(inputs),
        )
        return str(made["ServiceConfiguration"]["ServiceId"])

    def complete(self, target: Target) -> None:
        """Let in who is named, and wait until the service is available."""
        self._allow(target)

        def available() -> bool:
            return bool((self.describe(target) or {}).get("ServiceState", "").lower() == "available")

        wait_until(available, f"{target.id} is available")

    def change(self, change: Change) -> None:
        """Change who is let in, whether each is asked for, and where connections go."""
        if "allowedPrincipals" in change.names:
            self._allow(change)
        arguments: dict[str, Any] = {}
        if "acceptanceRequired" in change.names:
            arguments["AcceptanceRequired"] = change.inputs["acceptanceRequired"]
        if "networkLoadBalancerArns" in change.names:
            old, new = (set(one["networkLoadBalancerArns"]) for one in (change.old, change.inputs))
            arguments["AddNetworkLoadBalancerArns"] = sorted(new - old)
            arguments["RemoveNetworkLoadBalancerArns"] = sorted(old - new)
        if arguments:
            wanted = {name: value for name, value in arguments.items() if value != []}
            change.ec2.modify_vpc_endpoint_service_configuration(ServiceId=change.id, **wanted)

    @staticmethod
    def _allowed(target: Target) -> list[str]:
        pages = target.ec2.get_paginator("describe_vpc_endpoint_service_permissions").paginate(ServiceId=target.id)
        return sorted(str(one["Principal"]) for page in pages for one in page["AllowedPrincipals"])

    def _allow(self, target: Target) -> None:
        now, wanted = set(self._allowed(target)), set(target.inputs.get("allowedPrincipals") or [])
        changes = {"AddAllowedPrincipals": sorted(wanted - now), "RemoveAllowedPrincipals": sorted(now - wanted)}
        if now != wanted:
            given = {name: value for name, value in changes.items() if value}
            target.ec2.modify_vpc_endpoint_service_permissions(ServiceId=target.id, **given)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "acceptanceRequired": record["AcceptanceRequired"],
            "allowedPrincipals": self._allowed(target),
            "arn": self.arn(target, account_id(target.clients)),
            "availabilityZones": record.get("AvailabilityZones", []),
            "baseEndpointDnsNames": record.get("BaseEndpointDnsNames", []),
            "networkLoadBalancerArns": record.get("NetworkLoadBalancerArns", []),
            "serviceName": record["ServiceName"],
            "serviceType": record["ServiceType"][0]["ServiceType"],
            "state": record["ServiceState"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Turn away whoever is connected, then delete the service."""
        self._reject(target)

        def delete() -> None:
            answer = target.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[target.id])
            for failure in answer.get("Unsuccessful", []):
                raise ClientError({"Error": failure["Error"]}, "DeleteVpcEndpointServiceConfigurations")

        remove_when_free(delete, target.id)
        wait_until(lambda: self.describe(target) is None, f"{target.id} is deleted")

    @staticmethod
    def _reject(target: Target) -> None:
        """Turn away whoever is connected or asks to be: a service in use cannot be deleted."""
        filters = [{"Name": "service-id", "Values": [target.id]}]
        try:
            found = target.ec2.describe_vpc_endpoint_connections(Filters=filters)["VpcEndpointConnections"]
        except ClientError as error:
            if is_gone(error):
                return
            raise
        asking = {"available", "pendingAcceptance", "pending"}
        connected = [one["VpcEndpointId"] for one in found if one["VpcEndpointState"] in asking]
        if connected:
            target.ec2.reject_vpc_endpoint_connections(ServiceId=target.id, VpcEndpointIds=connected)
