"""VPC endpoints: how a network without internet reaches AWS's services."""

from __future__ import annotations

import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free, wait_until

_LISTS = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}


class VpcEndpoint(Ec2Resource):
    """`aws:ec2/vpcEndpoint:VpcEndpoint`, gateway or interface."""

    type = "aws:ec2/vpcEndpoint:VpcEndpoint"
    fixed = frozenset({"serviceName", "vpcEndpointType", "vpcId"})
    in_place = frozenset({*_LISTS, "policy", "privateDnsEnabled", "tags"})
    required = frozenset({"serviceName", "vpcId"})
    unordered = frozenset(_LISTS)
    documents = frozenset({"policy"})
    kind = "vpc-endpoint"
    describe_call, records_key, ids_argument, id_key = (
        "describe_vpc_endpoints",
        "VpcEndpoints",
        "VpcEndpointIds",
        "VpcEndpointId",
    )

    def alive(self, record: Record) -> bool:
        """Tell whether the endpoint is there and not on its way out."""
        return record["State"].lower() not in {"deleting", "deleted", "failed"}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the endpoint."""
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in _LISTS.items() if inputs.get(name)}
        if inputs.get("policy"):
            arguments["PolicyDocument"] = inputs["policy"]
        kind = inputs.get("vpcEndpointType", "Gateway")
        if kind == "Interface":
            arguments["PrivateDnsEnabled"] = bool(inputs.get("privateDnsEnabled", False))
        made = clients.client("ec2").create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=kind,
            ClientToken=str(uuid.uuid4()),
            **arguments,
            **self.tagged(inputs),
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def complete(self, target: Target) -> None:
        """Wait until the endpoint is available."""

        def available() -> bool:
            return bool((self.describe(target) or {}).get("State", "").lower() == "available")

        wait_until(available, f"{target.id} is available")

    def change(self, change: Change) -> None:
        """Change what the endpoint may do, where it is, and who may use it."""
        arguments: dict[str, Any] = {}
        for name in change.names & _LISTS.keys():
            old, new = set(change.old.get(name) or []), set(change.inputs.get(name) or [])
            if new - old:
                arguments[f"Add{_LISTS[name]}"] = sorted(new - old)
            if old - new:
                arguments[f"Remove{_LISTS[name]}"] = sorted(old - new)
        if "policy" in change.names:
            policy = change.inputs.get("policy")
            arguments.update({"PolicyDocument": policy} if policy else {"ResetPolicy": True})
        if "privateDnsEnabled" in change.names:
            arguments["PrivateDnsEnabled"] = bool(change.inputs.get("privateDnsEnabled", False))
        if arguments:
            change.ec2.modify_vpc_endpoint(VpcEndpointId=change.id, **arguments)

    def _prefix_list(self, target: Target, service: str) -> Properties:
        """Return what a gateway endpoint says about the addresses behind it."""
        filters = [{"Name": "prefix-list-name", "Values": [service]}]
        lists = target.ec2.describe_prefix_lists(Filters=filters)["PrefixLists"]
        one: Record = next((found for found in lists if found["PrefixListName"] == service), {})
        return {"prefixListId": one.get("PrefixListId", ""), "cidrBlocks": one.get("Cidrs", [])}

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        gateway = record["VpcEndpointType"] == "Gateway"
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "vpcId": record["VpcId"],
            "serviceName": record["ServiceName"],
            "vpcEndpointType": record["VpcEndpointType"],
            "state": record["State"],
            "policy": record.get("PolicyDocument", ""),
            "privateDnsEnabled": bool(record.get("PrivateDnsEnabled", False)) and not gateway,
            "routeTableIds": record.get("RouteTableIds", []),
            "subnetIds": record.get("SubnetIds", []),
            "securityGroupIds": [group["GroupId"] for group in record.get("Groups", [])],
            "networkInterfaceIds": record.get("NetworkInterfaceIds", []),
            "dnsEntries": [
                {"dnsName": entry["DnsName"], "hostedZoneId": entry.get("HostedZoneId", "")}
                for entry in record.get("DnsEntries", [])
            ],
            "ownerId": record["OwnerId"],
            "requesterManaged": bool(record.get("RequesterManaged", False)),
            **(self._prefix_list(target, record["ServiceName"]) if gateway else {"prefixListId": "", "cidrBlocks": []}),
            **tag_outputs(record.get("Tags")),
        }

    def _gone(self, target: Target) -> bool:
        try:
            records = target.ec2.describe_vpc_endpoints(VpcEndpointIds=[target.id])["VpcEndpoints"]
        except ClientError as error:
            if is_gone(error):
                return True
            raise
        return all(record["State"].lower() == "deleted" for record in records)

    def remove(self, target: Target) -> None:
        """Delete the endpoint and wait until its interfaces are gone, too."""
        remove_when_free(lambda: target.ec2.delete_vpc_endpoints(VpcEndpointIds=[target.id]), target.id)
        wait_until(lambda: self._gone(target), f"{target.id} is deleted")
