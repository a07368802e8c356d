"""What a resource's own description leaves out, and rules look at: asked for type by type, with reading calls alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping

from lifecycle.auditing.names import from_api
from lifecycle.sweeping.records import pages
from sandbox.handlers.base import Properties
from sandbox.handlers.resource import Record, Target

Further = Callable[[Target, Record], Properties]

_TARGETS = {
    "GatewayId": "gatewayId",
    "NatGatewayId": "natGatewayId",
    "EgressOnlyInternetGatewayId": "egressOnlyGatewayId",
    "CarrierGatewayId": "carrierGatewayId",
    "TransitGatewayId": "transitGatewayId",
    "VpcPeeringConnectionId": "vpcPeeringConnectionId",
    "LocalGatewayId": "localGatewayId",
    "CoreNetworkArn": "coreNetworkArn",
    "NetworkInterfaceId": "networkInterfaceId",
    "DestinationCidrBlock": "cidrBlock",
    "DestinationIpv6CidrBlock": "ipv6CidrBlock",
    "DestinationPrefixListId": "destinationPrefixListId",
}
_BORN = ("local", "vpce-")
"""Targets of routes that a table is born with, or that come and go with a gateway endpoint."""


def routes(_target: Target, record: Record) -> Properties:
    """Return the routes of a table that somebody made, whoever it was."""
    made = (route for route in record["Routes"] if not str(route.get("GatewayId", "")).startswith(_BORN))
    return {"routes": [{_TARGETS[name]: route[name] for name in _TARGETS if route.get(name)} for route in made]}


def no_inline_rules(_target: Target, _record: Record) -> Properties:
    """Say that a group has no rules of its own: each rule that the account has is read as a resource."""
    return {"ingress": [], "egress": []}


def _flow_log(_target: Target, record: Record) -> Properties:
    return {"vpcId": record["ResourceId"]} if str(record["ResourceId"]).startswith("vpc-") else {}


def _alias(_target: Target, record: Record) -> Properties:
    return {"targetKeyId": record["TargetKeyId"]} if record.get("TargetKeyId") else {}


def _vpc(_target: Target, record: Record) -> Properties:
    return {"assignGeneratedIpv6CidrBlock": bool(record.get("Ipv6CidrBlockAssociationSet"))}


def _subnet(_target: Target, record: Record) -> Properties:
    return {"assignIpv6AddressOnCreation": bool(record.get("AssignIpv6AddressOnCreation"))}


def _template(target: Target, record: Record) -> Properties:
    """Return what the newest version of a launch template says."""
    asked = {"LaunchTemplateId": target.id, "Versions": [str(record["LatestVersionNumber"])]}
    (version,) = target.ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
    said: Properties = from_api(version["LaunchTemplateData"])
    if said.get("userData"):
        said["userData"] = _decoded(said["userData"])
    return said


def _decoded(text: str) -> str:
    """Return user data as a rule can read it; as it is where it is not Base64."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


def _instance(target: Target, record: Record) -> Properties:
    """Return what an instance has by now, wherever it got it from: its template says what others will have."""
    noted = {tag["Key"]: tag["Value"] for tag in record.get("Tags", ())}
    template = noted.get("aws:ec2launchtemplate:id")
    interfaces = record["NetworkInterfaces"]
    data = target.ec2.describe_instance_attribute(InstanceId=target.id, Attribute="userData")["UserData"].get("Value")
    public = any(_addresses(one) for one in interfaces) or bool(record.get("PublicIpAddress"))
    profile = record.get("IamInstanceProfile")
    group = noted.get("aws:autoscaling:groupName")  # nobody but AWS can set tags that begin so
    return {
        **({"launchTemplate": {"id": template}} if template else {}),
        **({"autoscalingGroupName": group} if group else {}),
        **({"keyName": record["KeyName"]} if record.get("KeyName") else {}),
        **({"userData": _decoded(data)} if data else {}),
        **({"iamInstanceProfile": profile["Arn"]} if profile else {}),
        "associatePublicIpAddress": public,
        "vpcSecurityGroupIds": sorted({group["GroupId"] for one in interfaces for group in one["Groups"]}),
        **_disks(target, record),
    }


def _addresses(interface: Record) -> list[str]:
    """Return the addresses of an interface that the internet knows."""
    held = [interface, *(interface.get("PrivateIpAddresses") or ())]
    public = [(one.get("Association") or {}).get("PublicIp") for one in held]
    return [*filter(None, public), *(one["Ipv6Address"] for one in interface.get("Ipv6Addresses") or ())]


def _disks(target: Target, record: Record) -> Properties:
    """Return an instance's disks as they are encrypted."""
    mapped = {one["Ebs"]["VolumeId"]: one for one in record.get("BlockDeviceMappings") or () if "Ebs" in one}
    if not mapped:
        return {}
    root, others = None, []
    for page in pages(target.ec2, "describe_volumes", VolumeIds=sorted(mapped)):
        for volume in page["Volumes"]:
            mapping = mapped[volume["VolumeId"]]
            disk = {
                "deviceName": mapping["DeviceName"],
                "deleteOnTermination": mapping["Ebs"].get("DeleteOnTermination", False),
                "encrypted": volume["Encrypted"],
                "kmsKeyId": volume.get("KmsKeyId"),
            }
            if mapping["DeviceName"] == record.get("RootDeviceName"):
                root = disk
            else:
                others.append(disk)
    return {**({"rootBlockDevice": root} if root else {}), "ebsBlockDevices": others}


def _group(_target: Target, record: Record) -> Properties:
    """Return what else a group can have machines by. How many it wants now is its switch's work, and no rule's."""
    other = {"launchConfiguration": "LaunchConfigurationName", "mixedInstancesPolicy": "MixedInstancesPolicy"}
    seen = {name: record[api_name] for name, api_name in other.items() if record.get(api_name)}
    warm = {"warmPool": record["WarmPoolConfiguration"]} if record.get("WarmPoolConfiguration") else {}
    return {**seen, **warm, "protectFromScaleIn": bool(record.get("NewInstancesProtectedFromScaleIn"))}


def _role(target: Target, _record: Record) -> Properties:
    return {"managedPolicyArns": [arn for arn, _ in attached(target)]}


def attached(target: Target) -> Iterator[tuple[str, str]]:
    """Yield (ARN, name) of the managed policies of a role."""
    for page in pages(target.clients.client("iam"), "list_attached_role_policies", RoleName=target.id):
        yield from ((one["PolicyArn"], one["PolicyName"]) for one in page["AttachedPolicies"])


FURTHER: Mapping[str, Further] = {
    "aws:autoscaling/group:Group": _group,
    "aws:ec2/defaultRouteTable:DefaultRouteTable": routes,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": no_inline_rules,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/launchTemplate:LaunchTemplate": _template,
    "aws:ec2/routeTable:RouteTable": routes,
    "aws:ec2/securityGroup:SecurityGroup": no_inline_rules,
    "aws:ec2/subnet:Subnet": _subnet,
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:iam/role:Role": _role,
    "aws:kms/alias:Alias": _alias,
}
"""Type -> what completes the answer of its handler."""

OF_THE_PROGRAM: Mapping[str, frozenset[str]] = {
    "aws:ec2/launchTemplate:LaunchTemplate": frozenset({"updateDefaultVersion"}),
    "aws:kms/key:Key": frozenset({"deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"}),
    "aws:s3/bucket:Bucket": frozenset({"forceDestroy"}),
    "aws:secretsmanager/secret:Secret": frozenset({"recoveryWindowInDays", "forceOverwriteReplicaSecret"}),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": frozenset({"description"}),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": frozenset({"description"}),
}
"""Properties that no account has: they say what our own engine does when it changes or deletes the resource, or are
words for people. The state's value is the truth about them."""
