"""Networks, and everything that lies in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lifecycle.sweeping.ec2 import Record, checked, code_of, ec2_kind, goes_with_its_owner
from lifecycle.sweeping.records import Kind, NotYetError, Place, RefusedError, Thing, pages, refs


def _in_vpc(record: Record) -> Mapping[str, Any]:
    return {"refs": refs(record.get("VpcId"), record.get("SubnetId"))}


def _endpoint(record: Record) -> Mapping[str, Any]:
    service = str(record.get("ServiceName", ""))
    interface = record.get("VpcEndpointType") == "Interface"
    return {
        "refs": refs(record.get("VpcId")),
        "detail": service,
        "costs": (("interface-endpoint-zone", len(record.get("SubnetIds") or ())),) if interface else (),
    }


def _delete_endpoint(place: Place, thing: Thing) -> None:
    checked(place.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[thing.id]))


def _delete_endpoint_service(place: Place, thing: Thing) -> None:
    """Delete a service; one with connections cannot be deleted, so whoever is connected is turned away first.

    Raises:
        NotYetError: connections were turned away just now.

    """
    ec2 = place.client("ec2")
    try:
        checked(ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[thing.id]))
    except RefusedError as error:
        if error.code != "ExistingVpcEndpointConnections":
            raise
        _turn_away(ec2, thing.id)
        raise NotYetError("connections are being turned away") from error


def _turn_away(ec2: Any, service: str) -> None:
    filters = [{"Name": "service-id", "Values": [service]}]
    connected = [
        one["VpcEndpointId"]
        for page in pages(ec2, "describe_vpc_endpoint_connections", Filters=filters)
        for one in page["VpcEndpointConnections"]
        if one.get("VpcEndpointState") in {"available", "pendingAcceptance", "pending"}
    ]
    if connected:
        checked(ec2.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=connected))


def _delete_flow_log(place: Place, thing: Thing) -> None:
    checked(place.client("ec2").delete_flow_logs(FlowLogIds=[thing.id]))


def _flow_log(record: Record) -> Mapping[str, Any]:
    return {"refs": refs(record.get("ResourceId")), "detail": record.get("LogGroupName", "")}


def _interface(record: Record) -> Mapping[str, Any]:
    instance = (record.get("Attachment") or {}).get("InstanceId")
    groups = [one["GroupId"] for one in record.get("Groups") or ()]
    owner = instance or ("the service that made it" if record.get("RequesterManaged") else "")
    return {
        "refs": refs(record.get("VpcId"), record.get("SubnetId"), instance, *groups),
        "owner": owner,
        "detail": f"{record.get('Status', '')}, {record.get('Description') or record.get('InterfaceType', '')}",
    }


def _delete_interface(place: Place, thing: Thing) -> None:
    """Delete an interface that nothing holds; take it from an instance that has ended.

    Raises:
        NotYetError: it goes with an instance that has not, or with the service that made it.

    """
    ec2, attachment = place.client("ec2"), thing.record.get("Attachment") or {}
    if thing.record.get("RequesterManaged"):
        goes_with_its_owner(place, thing)
    if instance := attachment.get("InstanceId"):
        if _lives(ec2, instance):
            raise NotYetError(f"goes with {instance}")
        ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"], Force=True)
        raise NotYetError(f"is being taken from {instance}")
    ec2.delete_network_interface(NetworkInterfaceId=thing.id)


def _lives(ec2: Any, instance: str) -> bool:
    try:
        answer = ec2.describe_instances(InstanceIds=[instance])
    except ClientError as error:
        if "NotFound" in code_of(error):
            return False
        raise
    states = [one["State"]["Name"] for group in answer["Reservations"] for one in group["Instances"]]
    return any(state != "terminated" for state in states)


def _address(record: Record) -> Mapping[str, Any]:
    return {
        "refs": refs(record.get("InstanceId"), record.get("NetworkInterfaceId")),
        "detail": record.get("PublicIp", ""),
        "costs": (("public-ipv4", 1),),
    }


def _release(place: Place, thing: Thing) -> None:
    ec2 = place.client("ec2")
    if thing.record.get("AssociationId"):
        ec2.disassociate_address(AssociationId=thing.record["AssociationId"])
    ec2.release_address(AllocationId=thing.id)


def _group(record: Record) -> Mapping[str, Any]:
    own = record.get("GroupName") == "default"
    return {
        "refs": refs(record.get("VpcId")),
        "owner": str(record.get("VpcId", "")) if own else "",
        "detail": record.get("GroupName", ""),
    }


def _delete_group(place: Place, thing: Thing) -> None:
    """Empty a group, then delete it: of two that name each other, neither could be deleted otherwise."""
    if thing.owner:
        goes_with_its_owner(place, thing)
    ec2 = place.client("ec2")
    filters = [{"Name": "group-id", "Values": [thing.id]}]
    for page in pages(ec2, "describe_security_group_rules", Filters=filters):
        for rule in page["SecurityGroupRules"]:
            revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
            revoke(GroupId=thing.id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    ec2.delete_security_group(GroupId=thing.id)


def _table(record: Record) -> Mapping[str, Any]:
    main = any(one.get("Main") for one in record.get("Associations") or ())
    return {"refs": refs(record.get("VpcId")), "owner": str(record.get("VpcId", "")) if main else ""}


def _delete_table(place: Place, thing: Thing) -> None:
    """Take a route table from its subnets, then delete it: one in use cannot be deleted."""
    if thing.owner:
        goes_with_its_owner(place, thing)
    ec2 = place.client("ec2")
    for association in thing.record.get("Associations") or ():
        ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=thing.id)


def _peering(record: Record) -> Mapping[str, Any]:
    ends = [record.get(end, {}).get("VpcId") for end in ("RequesterVpcInfo", "AccepterVpcInfo")]
    return {"refs": refs(*ends)}


def _status(record: Record) -> str:
    return str(record.get("Status", {}).get("Code", ""))


def _transit(record: Record) -> Mapping[str, Any]:
    return {
        "refs": refs(record.get("VpcId")),
        "detail": record.get("TransitGatewayId", ""),
        "costs": (("transit-gateway-attachment", 1),),
    }


ENTRANCES: tuple[Kind, ...] = (
    ec2_kind(
        "instance-connect-endpoint",
        "instance connect endpoints",
        describe="describe_instance_connect_endpoints",
        records="InstanceConnectEndpoints",
        id_key="InstanceConnectEndpointId",
        delete="delete_instance_connect_endpoint",
        argument="InstanceConnectEndpointId",
        gone=("delete-complete",),
        going=("delete-in-progress",),
        facts=_in_vpc,
    ),
    ec2_kind(
        "endpoint-service",
        "endpoint services",
        describe="describe_vpc_endpoint_service_configurations",
        records="ServiceConfigurations",
        id_key="ServiceId",
        remove=_delete_endpoint_service,
        state=lambda record: str(record.get("ServiceState", "")),
        gone=("Deleted",),
        going=("Deleting",),
    ),
    ec2_kind(
        "vpc-endpoint",
        "VPC endpoints",
        describe="describe_vpc_endpoints",
        records="VpcEndpoints",
        id_key="VpcEndpointId",
        remove=_delete_endpoint,
        state=lambda record: str(record.get("State", "")).lower(),
        facts=_endpoint,
    ),
)
"""Ways in and out; what they leave behind (interfaces) takes AWS a while."""

INTERFACES: tuple[Kind, ...] = (
    ec2_kind(
        "flow-log",
        "flow logs",
        describe="describe_flow_logs",
        records="FlowLogs",
        id_key="FlowLogId",
        remove=_delete_flow_log,
        facts=_flow_log,
    ),
    ec2_kind(
        "elastic-ip",
        "elastic addresses",
        describe="describe_addresses",
        records="Addresses",
        id_key="AllocationId",
        remove=_release,
        facts=_address,
    ),
    ec2_kind(
        "network-interface",
        "network interfaces",
        describe="describe_network_interfaces",
        records="NetworkInterfaces",
        id_key="NetworkInterfaceId",
        remove=_delete_interface,
        facts=_interface,
    ),
)

NETWORKS: tuple[Kind, ...] = (
    ec2_kind(
        "peering",
        "VPC peerings",
        describe="describe_vpc_peering_connections",
        records="VpcPeeringConnections",
        id_key="VpcPeeringConnectionId",
        delete="delete_vpc_peering_connection",
        argument="VpcPeeringConnectionId",
        state=_status,
        gone=("deleted", "rejected", "expired", "failed"),
        facts=_peering,
    ),
    ec2_kind(
        "transit-gateway-attachment",
        "transit gateway attachments",
        describe="describe_transit_gateway_vpc_attachments",
        records="TransitGatewayVpcAttachments",
        id_key="TransitGatewayAttachmentId",
        delete="delete_transit_gateway_vpc_attachment",
        argument="TransitGatewayAttachmentId",
        gone=("deleted", "failed", "rejected"),
        going=("deleting", "failing", "rejecting"),
        facts=_transit,
    ),
    ec2_kind(
        "security-group",
        "security groups",
        describe="describe_security_groups",
        records="SecurityGroups",
        id_key="GroupId",
        remove=_delete_group,
        facts=_group,
    ),
    ec2_kind(
        "subnet",
        "subnets",
        describe="describe_subnets",
        records="Subnets",
        id_key="SubnetId",
        delete="delete_subnet",
        argument="SubnetId",
        facts=lambda record: {"refs": refs(record.get("VpcId")), "detail": record.get("CidrBlock", "")},
    ),
    ec2_kind(
        "route-table",
        "route tables",
        describe="describe_route_tables",
        records="RouteTables",
        id_key="RouteTableId",
        remove=_delete_table,
        facts=_table,
    ),
    ec2_kind(
        "vpc",
        "VPCs",
        describe="describe_vpcs",
        records="Vpcs",
        id_key="VpcId",
        delete="delete_vpc",
        argument="VpcId",
        facts=lambda record: {"detail": record.get("CidrBlock", "")},
    ),
)
