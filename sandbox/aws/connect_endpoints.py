"""EC2 Instance Connect Endpoints: the only way in to a node of a private network.

They take a while to come and to go, and hold a network interface in their subnet until they are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError, not_found
from sandbox.aws.filters import select
from sandbox.aws.region import SETTLES_IN, Region

_TYPE = "instance-connect-endpoint"


@dataclass
class ConnectEndpoint:
    """One endpoint."""

    id: str
    subnet_id: str
    vpc_id: str
    zone: str
    group_ids: list[str]
    interface_id: str
    created_at: datetime
    preserve_client_ip: bool
    ip_address_type: str
    delete_asked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return the state at a time."""
        if self.delete_asked_at is not None:
            return "delete-in-progress"
        return "create-complete" if now >= self.created_at + SETTLES_IN else "create-in-progress"


@dataclass
class ConnectEndpoints:
    """The endpoints of a region, by id."""

    by_id: dict[str, ConnectEndpoint] = field(default_factory=dict)


@dataclass(frozen=True)
class _Seen:
    """An endpoint as filters see it."""

    endpoint: ConnectEndpoint
    state: str

    def facts(self) -> dict[str, str]:
        return {
            "instance-connect-endpoint-id": self.endpoint.id,
            "state": self.state,
            "subnet-id": self.endpoint.subnet_id,
            "vpc-id": self.endpoint.vpc_id,
        }


def settle(region: Region) -> None:
    """Let go of the endpoints whose deletion is through, with their interfaces."""
    store = region.part(ConnectEndpoints).by_id
    for endpoint in list(store.values()):
        if endpoint.delete_asked_at and region.now() >= endpoint.delete_asked_at + SETTLES_IN:
            region.drop_interface(endpoint.interface_id)
            region.forget_tags(endpoint.id)
            del store[endpoint.id]


def _describe(region: Region, endpoint: ConnectEndpoint) -> dict[str, Any]:
    host = f"{endpoint.id}.ec2-instance-connect-endpoint.{region.name}.amazonaws.com"
    fips = f"{endpoint.id}.fips.ec2-instance-connect-endpoint.{region.name}.amazonaws.com"
    return {
        "OwnerId": ACCOUNT_ID,
        "InstanceConnectEndpointId": endpoint.id,
        "InstanceConnectEndpointArn": region.arn(_TYPE, endpoint.id),
        "State": endpoint.state(region.now()),
        "StateMessage": "",
        "DnsName": host,
        "FipsDnsName": fips,
        "NetworkInterfaceIds": [endpoint.interface_id],
        "VpcId": endpoint.vpc_id,
        "AvailabilityZone": endpoint.zone,
        "AvailabilityZoneId": region.zone_id(endpoint.zone),
        "CreatedAt": endpoint.created_at,
        "SubnetId": endpoint.subnet_id,
        "PreserveClientIp": endpoint.preserve_client_ip,
        "SecurityGroupIds": endpoint.group_ids,
        "IpAddressType": endpoint.ip_address_type,
        "PublicDnsNames": {"Ipv4": {"DnsName": host, "FipsDnsName": fips}},
        "Tags": region.tag_list(endpoint.id),
    }


def _groups(region: Region, vpc_id: str, asked: list[str]) -> list[str]:
    for group_id in asked:
        group = region.ec2.get_security_group_from_id(group_id)
        if group is None or group.vpc_id != vpc_id:
            raise AwsError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist in VPC '{vpc_id}'")
    if asked:
        return asked
    default = region.ec2.get_default_security_group(vpc_id)
    return [default.id] if default else []


def _interface(region: Region, endpoint_id: str, subnet_id: str, group_ids: list[str]) -> str:
    interface = region.new_interface(
        subnet_id,
        group_ids=group_ids,
        description=f"EC2 Instance Connect Endpoint {endpoint_id}",
        tags={"InstanceConnectEndpointId": endpoint_id},
    )
    interface.status = "in-use"
    interface.requester_managed = True
    interface.interface_type = "ec2_instance_connect_endpoint"
    return interface.id


def _create(call: Call) -> object:
    region, asked = call.region, call.parameters
    subnet = region.subnet(asked["SubnetId"])
    store = region.part(ConnectEndpoints).by_id
    if any(endpoint.vpc_id == subnet.vpc_id for endpoint in store.values()):
        raise AwsError("ResourceLimitExceeded", f"'{subnet.vpc_id}' has an Instance Connect Endpoint; 1 is the limit.")
    group_ids = _groups(region, subnet.vpc_id, asked.get("SecurityGroupIds", []))
    endpoint_id = region.new_id(_TYPE)
    region.tag_new(endpoint_id, _TYPE, asked)
    endpoint = store[endpoint_id] = ConnectEndpoint(
        id=endpoint_id,
        subnet_id=subnet.id,
        vpc_id=subnet.vpc_id,
        zone=subnet.availability_zone,
        group_ids=group_ids,
        interface_id=_interface(region, endpoint_id, subnet.id, group_ids),
        created_at=region.now(),
        preserve_client_ip=bool(asked.get("PreserveClientIp", False)),
        ip_address_type=asked.get("IpAddressType", "ipv4"),
    )
    return {"InstanceConnectEndpoint": _describe(region, endpoint), "ClientToken": asked.get("ClientToken")}


def _get(region: Region, endpoint_id: str) -> ConnectEndpoint:
    try:
        return region.part(ConnectEndpoints).by_id[endpoint_id]
    except KeyError:
        raise not_found("InvalidInstanceConnectEndpointId.NotFound", "Instance Connect Endpoint", endpoint_id) from None


def _describe_all(call: Call) -> object:
    region = call.region
    ids = call.parameters.get("InstanceConnectEndpointIds") or list(region.part(ConnectEndpoints).by_id)
    endpoints = [_get(region, endpoint_id) for endpoint_id in ids]
    seen = [(_Seen(endpoint, endpoint.state(region.now())), region.tags(endpoint.id)) for endpoint in endpoints]
    chosen = select(seen, call.parameters.get("Filters"))
    return {"InstanceConnectEndpoints": [_describe(region, record.endpoint) for record, _ in chosen]}


def _delete(call: Call) -> object:
    endpoint = _get(call.region, call.parameters["InstanceConnectEndpointId"])
    endpoint.delete_asked_at = endpoint.delete_asked_at or call.region.now()
    return {"InstanceConnectEndpoint": _describe(call.region, endpoint)}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "CreateInstanceConnectEndpoint"): _create,
    ("ec2", "DescribeInstanceConnectEndpoints"): _describe_all,
    ("ec2", "DeleteInstanceConnectEndpoint"): _delete,
}
