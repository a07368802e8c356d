"""What may not be deleted yet. moto lets a network be pulled from under what uses it; AWS does not."""

from __future__ import annotations

from moto.ec2.models.security_groups import SecurityGroup

from sandbox.aws.call import Call, Operation
from sandbox.aws.connect_endpoints import ConnectEndpoints
from sandbox.aws.errors import AwsError
from sandbox.aws.region import Region


def _delete_subnet(call: Call) -> object:
    subnet = call.region.subnet(call.parameters["SubnetId"])
    if any(interface.subnet.id == subnet.id for interface in call.region.ec2.enis.values()):
        raise AwsError("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    return call.forward()


def _is_used(region: Region, group: SecurityGroup) -> bool:
    if any(group.id in {one.id for one in interface.group_set} for interface in region.ec2.enis.values()):
        return True
    return any(
        rule.source_group.get("GroupId") == group.id
        for by_id in region.ec2.groups.values()
        for other in by_id.values()
        if other.id != group.id
        for rule in (*other.ingress_rules, *other.egress_rules)
    )


def _delete_security_group(call: Call) -> object:
    asked = call.parameters
    group = call.region.ec2.get_security_group_by_name_or_id(asked.get("GroupId") or asked.get("GroupName", ""))
    if group is not None and group.is_default:
        raise AwsError("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
    if group is not None and _is_used(call.region, group):
        raise AwsError("DependencyViolation", f"resource {group.id} has a dependent object")
    return call.forward()


def _has_dependents(region: Region, vpc_id: str) -> bool:
    ec2 = region.ec2
    return any(
        (
            any(not group.is_default for group in ec2.groups.get(vpc_id, {}).values()),
            any(to["VpcId"] == vpc_id for gateway in ec2.internet_gateways.values() for to in gateway.attachments),
            any(endpoint.vpc_id == vpc_id for endpoint in ec2.vpc_end_points.values()),
            any(interface.vpc_id == vpc_id for interface in ec2.enis.values()),
            any(one.vpc_id == vpc_id for one in region.part(ConnectEndpoints).by_id.values()),
        )
    )


def _delete_vpc(call: Call) -> object:
    ec2, vpc_id = call.region.ec2, call.parameters["VpcId"]
    if _has_dependents(call.region, vpc_id):
        raise AwsError("DependencyViolation", f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    response = call.forward()
    if response.status == 200:
        for acl in [acl for acl in ec2.network_acls.values() if acl.vpc_id == vpc_id]:
            del ec2.network_acls[acl.id]
    return response


def _delete_network_interface(call: Call) -> object:
    interface = call.region.ec2.get_network_interface(call.parameters["NetworkInterfaceId"])
    if interface.status == "in-use":
        raise AwsError("InvalidNetworkInterface.InUse", f"The network interface '{interface.id}' is currently in use.")
    return call.forward()


def _delete_nat_gateway(call: Call) -> object:
    ec2, gateway_id = call.region.ec2, call.parameters["NatGatewayId"]
    if gateway_id not in ec2.nat_gateways:
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")
    response = call.forward()
    held = {item["networkInterfaceId"] for item in ec2.nat_gateways[gateway_id].address_set}
    for address in ec2.addresses:
        if address.network_interface_id in held and address.association_id:
            ec2.disassociate_address(association_id=address.association_id)
    for interface_id in held:
        call.region.drop_interface(interface_id)
    return response


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "DeleteSubnet"): _delete_subnet,
    ("ec2", "DeleteSecurityGroup"): _delete_security_group,
    ("ec2", "DeleteVpc"): _delete_vpc,
    ("ec2", "DeleteNetworkInterface"): _delete_network_interface,
    ("ec2", "DeleteNatGateway"): _delete_nat_gateway,
}
