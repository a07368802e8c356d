"""One case per handler: what it needs, how it is made, and changes of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.handlers.base import Clients, Handler, Registry

Properties = dict[str, Any]

IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
ZONE = "us-east-2a"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}]}
)
OTHER_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "logs:*", "Resource": "*"}]}
)


class World:
    """What a case needs around it: made through the handlers themselves, removed in reverse."""

    def __init__(self, clients: Clients, registry: Registry) -> None:
        self.clients = clients
        self.registry = registry
        self.stack = f"test-{uuid.uuid4().hex[:8]}"
        self._made: list[tuple[Handler, str, Properties]] = []

    def name(self, what: str) -> str:
        return f"{self.stack}-{what}"

    def tags(self, resource: str) -> dict[str, str]:
        return {"cloister:stack": self.stack, "cloister:resource": resource}

    def make(self, token: str, resource: str, /, *, tagged: bool = True, **inputs: Any) -> Properties:
        handler = self.registry[token]
        full = {**inputs, "tags": self.tags(resource)} if tagged else inputs
        created = handler.create(self.clients, full)
        self.made(handler, created.id, full)
        return created.outputs

    def made(self, handler: Handler, resource_id: str, inputs: Properties) -> None:
        """Have something removed in the end, whatever becomes of the test."""
        self._made.append((handler, resource_id, inputs))

    def clear(self) -> None:
        while self._made:
            handler, resource_id, inputs = self._made.pop()
            handler.delete(self.clients, resource_id, inputs)

    def vpc(self) -> str:
        outputs = self.make(
            "aws:ec2/vpc:Vpc", "vpc", cidrBlock="10.0.0.0/16", enableDnsHostnames=True, enableDnsSupport=True
        )
        return str(outputs["id"])

    def subnet(self, vpc_id: str, cidr: str = "10.0.1.0/24", zone: str = ZONE) -> str:
        outputs = self.make(
            "aws:ec2/subnet:Subnet", f"subnet-{cidr}", vpcId=vpc_id, cidrBlock=cidr, availabilityZone=zone
        )
        return str(outputs["id"])

    def group(self, vpc_id: str, name: str = "group") -> str:
        outputs = self.make("aws:ec2/securityGroup:SecurityGroup", name, name=self.name(name), vpcId=vpc_id)
        return str(outputs["id"])

    def role(self, name: str = "role") -> str:
        outputs = self.make("aws:iam/role:Role", name, name=self.name(name), assumeRolePolicy=TRUST)
        return str(outputs["arn"])

    def image(self) -> str:
        return str(self.clients.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"])


@dataclass(frozen=True)
class Case:
    """A resource type at work.

    Attributes:
        token: Pulumi type token.
        inputs: makes what is needed, and returns the inputs (without tags).
        tagged: the type has tags.
        change: inputs that change in place.
        shows: outputs that a change shows in, if they are not the inputs of the same name.
        replaces: an input whose change means replacement, and its new value.
        outputs: outputs that a program may use, and that must have a value.
        stays: deleting it leaves it there.
        variant: tells apart two cases of one type.

    """

    token: str
    inputs: Callable[[World], Properties]
    outputs: tuple[str, ...]
    tagged: bool = True
    change: Callable[[World], Properties] | None = None
    shows: Mapping[str, Any] = field(default_factory=dict)
    replaces: tuple[str, Any] | None = None
    stays: bool = False
    variant: str = ""

    @property
    def id(self) -> str:
        return self.token.rpartition(":")[2] + self.variant


def _subnet(world: World) -> Properties:
    return {"vpcId": world.vpc(), "cidrBlock": "10.0.7.0/24", "availabilityZone": ZONE}


def _association(world: World) -> Properties:
    vpc_id = world.vpc()
    table = world.make("aws:ec2/routeTable:RouteTable", "table", vpcId=vpc_id)
    return {"routeTableId": table["id"], "subnetId": world.subnet(vpc_id)}


def _route(world: World) -> Properties:
    vpc_id = world.vpc()
    table = world.make("aws:ec2/routeTable:RouteTable", "table", vpcId=vpc_id)
    gateway = world.make("aws:ec2/internetGateway:InternetGateway", "gateway", vpcId=vpc_id)
    return {"routeTableId": table["id"], "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway["id"]}


def _nat(world: World) -> Properties:
    vpc_id = world.vpc()
    world.make("aws:ec2/internetGateway:InternetGateway", "gateway", vpcId=vpc_id)
    address = world.make("aws:ec2/eip:Eip", "address", domain="vpc")
    return {"subnetId": world.subnet(vpc_id), "allocationId": address["id"]}


def _ingress(world: World) -> Properties:
    return {
        "securityGroupId": world.group(world.vpc()),
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "10.0.0.0/16",
        "description": "clients",
    }


def _egress(world: World) -> Properties:
    vpc_id = world.vpc()
    return {
        "securityGroupId": world.group(vpc_id),
        "ipProtocol": "-1",
        "referencedSecurityGroupId": world.group(vpc_id, "other"),
    }


def _interface_endpoint(world: World) -> Properties:
    vpc_id = world.vpc()
    return {
        "vpcId": vpc_id,
        "serviceName": "com.amazonaws.us-east-2.kms",
        "vpcEndpointType": "Interface",
        "privateDnsEnabled": True,
        "subnetIds": [world.subnet(vpc_id)],
        "securityGroupIds": [world.group(vpc_id)],
        "policy": POLICY,
    }


def _gateway_endpoint(world: World) -> Properties:
    vpc_id = world.vpc()
    table = world.make("aws:ec2/routeTable:RouteTable", "table", vpcId=vpc_id)
    return {
        "vpcId": vpc_id,
        "serviceName": "com.amazonaws.us-east-2.s3",
        "vpcEndpointType": "Gateway",
        "routeTableIds": [table["id"]],
        "policy": POLICY,
    }


def _connect_endpoint(world: World) -> Properties:
    vpc_id = world.vpc()
    return {"subnetId": world.subnet(vpc_id), "securityGroupIds": [world.group(vpc_id)], "preserveClientIp": False}


def _template(world: World) -> Properties:
    return {
        "name": world.name("template"),
        "imageId": world.image(),
        "instanceType": "p5en.48xlarge",
        "ebsOptimized": "true",
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "tagSpecifications": [{"resourceType": "instance", "tags": world.tags("node")}],
    }


def _group(world: World) -> Properties:
    vpc_id = world.vpc()
    template = world.make("aws:ec2/launchTemplate:LaunchTemplate", "template", **_template(world))
    return {
        "name": world.name("group"),
        "launchTemplate": {"id": template["id"], "version": "1"},
        "minSize": 0,
        "maxSize": 1,
        "vpcZoneIdentifiers": [world.subnet(vpc_id)],
        "suspendedProcesses": ["HealthCheck"],
        "tags": [{"key": key, "value": value, "propagateAtLaunch": False} for key, value in world.tags("it").items()],
    }


def _schedule(world: World) -> Properties:
    group = world.make("aws:autoscaling/group:Group", "group", tagged=False, **_group(world))
    return {
        "autoscalingGroupName": group["name"],
        "scheduledActionName": world.name("deadline"),
        "startTime": "2096-01-01T00:00:00Z",
        "minSize": 0,
        "maxSize": 0,
        "desiredCapacity": 0,
    }


def _instance(world: World) -> Properties:
    vpc_id = world.vpc()
    return {
        "ami": world.image(),
        "instanceType": "g6e.xlarge",
        "subnetId": world.subnet(vpc_id),
        "vpcSecurityGroupIds": [world.group(vpc_id)],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "rootBlockDevice": {"volumeSize": 100, "volumeType": "gp3", "encrypted": True},
        "volumeTags": world.tags("volume"),
        "userData": "#cloud-config",
    }


def _profile(world: World) -> Properties:
    world.role()
    return {"name": world.name("profile"), "role": world.name("role")}


def _role_policy(world: World) -> Properties:
    world.role()
    return {"name": "read", "role": world.name("role"), "policy": POLICY}


def _alias(world: World) -> Properties:
    key = world.make("aws:kms/key:Key", "key", deletionWindowInDays=7)
    return {"name": f"alias/{world.stack}", "targetKeyId": key["id"]}


def _other_key(world: World) -> Properties:
    return {"targetKeyId": world.make("aws:kms/key:Key", "other", deletionWindowInDays=7)["id"]}


def _flow_log(world: World) -> Properties:
    group = world.make("aws:cloudwatch/logGroup:LogGroup", "flows", name=f"/flows/{world.stack}")
    return {
        "vpcId": world.vpc(),
        "trafficType": "ALL",
        "logDestination": group["arn"],
        "logDestinationType": "cloud-watch-logs",
        "iamRoleArn": world.role(),
        "maxAggregationInterval": 60,
    }


def _reservation(_world: World) -> Properties:
    return {
        "availabilityZone": ZONE,
        "instanceCount": 1,
        "instancePlatform": "Linux/UNIX",
        "instanceType": "p5en.48xlarge",
        "instanceMatchCriteria": "targeted",
    }


def _record(world: World) -> Properties:
    name, vpcs = f"{world.stack}.internal", [{"vpcId": world.vpc()}]
    zone = world.make("aws:route53/zone:Zone", "zone", name=name, vpcs=vpcs)
    return {"name": name, "type": "A", "ttl": 60, "records": ["10.0.0.4"], "zoneId": zone["id"]}


def _balancer(world: World) -> Properties:
    vpc_id = world.vpc()
    subnet_id = world.subnet(vpc_id)
    return {
        "name": world.name("nlb")[:32],
        "internal": True,
        "loadBalancerType": "network",
        "subnets": [subnet_id],
        "securityGroups": [world.group(vpc_id)],
        "enableCrossZoneLoadBalancing": True,
    }


def _target_group(world: World) -> Properties:
    return {
        "name": world.name("nodes")[:32],
        "port": 443,
        "protocol": "TCP",
        "targetType": "instance",
        "vpcId": world.vpc(),
        "preserveClientIp": "false",
        "deregistrationDelay": 60,
        "healthCheck": {"protocol": "TCP", "port": "traffic-port", "interval": 10, "healthyThreshold": 2},
    }


def _listener(world: World) -> Properties:
    balancer = world.make("aws:lb/loadBalancer:LoadBalancer", "nlb", **_balancer(world))
    group = world.make("aws:lb/targetGroup:TargetGroup", "nodes", **_target_group(world))
    return {
        "loadBalancerArn": balancer["id"],
        "port": 443,
        "protocol": "TCP",
        "defaultActions": [{"type": "forward", "targetGroupArn": group["id"]}],
    }


def _target(world: World) -> Properties:
    group = world.make("aws:lb/targetGroup:TargetGroup", "nodes", **_target_group(world))
    return {"targetGroupArn": group["id"], "targetId": "i-0123456789abcdef0", "port": 443}


def _endpoint_service(world: World) -> Properties:
    balancer = world.make("aws:lb/loadBalancer:LoadBalancer", "nlb", **_balancer(world))
    return {
        "acceptanceRequired": True,
        "allowedPrincipals": ["arn:aws:iam::210987654321:root"],
        "networkLoadBalancerArns": [balancer["id"]],
    }


def _peering(world: World) -> Properties:
    peer = world.make("aws:ec2/vpc:Vpc", "peer", cidrBlock="10.77.0.0/16")
    return {"vpcId": world.vpc(), "peerVpcId": peer["id"], "autoAccept": True}


def _attachment(world: World) -> Properties:
    vpc_id, ec2 = world.vpc(), world.clients.client("ec2")
    gateway = ec2.create_transit_gateway(Description=world.stack)["TransitGateway"]["TransitGatewayId"]
    return {
        "transitGatewayId": gateway,
        "vpcId": vpc_id,
        "subnetIds": [world.subnet(vpc_id)],
        "dnsSupport": "enable",
        "ipv6Support": "disable",
    }


def _bucket_part(**inputs: Any) -> Callable[[World], Properties]:
    def make(world: World) -> Properties:
        return {"bucket": world.make("aws:s3/bucket:Bucket", "bucket", bucket=world.name("bucket"))["id"], **inputs}

    return make


def _encrypted(key: str) -> list[Properties]:
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": f"arn:aws:kms:us-east-2:123456789012:key/{key}"}
    return [{"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": True}]


def _kept(days: int) -> list[Properties]:
    return [
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrentVersionExpiration": {"noncurrentDays": days},
            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
        }
    ]


CASES = (
    Case(
        "aws:lb/loadBalancer:LoadBalancer",
        _balancer,
        outputs=("arn", "dnsName", "vpcId", "zoneId"),
        change=lambda _: {"enableCrossZoneLoadBalancing": False},
        replaces=("internal", False),
    ),
    Case(
        "aws:lb/targetGroup:TargetGroup",
        _target_group,
        outputs=("arn", "port", "vpcId"),
        change=lambda _: {"deregistrationDelay": 30},
        replaces=("port", 444),
    ),
    Case(
        "aws:lb/listener:Listener",
        _listener,
        outputs=("arn",),
        change=lambda _: {"port": 444},
        replaces=("loadBalancerArn", "arn:aws:elasticloadbalancing:other"),
    ),
    Case(
        "aws:lb/targetGroupAttachment:TargetGroupAttachment",
        _target,
        outputs=("targetId", "targetGroupArn"),
        tagged=False,
        replaces=("targetId", "i-0"),
    ),
    Case(
        "aws:ec2/vpcEndpointService:VpcEndpointService",
        _endpoint_service,
        outputs=("arn", "serviceName", "serviceType", "state", "allowedPrincipals"),
        change=lambda _: {
            "acceptanceRequired": False,
            "allowedPrincipals": ["arn:aws:iam::310987654321:root", "arn:aws:iam::410987654321:root"],
        },
    ),
    Case(
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        _peering,
        outputs=("acceptStatus", "peerOwnerId"),
        replaces=("peerVpcId", "vpc-0"),
    ),
    Case(
        "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
        _attachment,
        outputs=("arn", "vpcOwnerId"),
        replaces=("vpcId", "vpc-0"),
    ),
    Case(
        "aws:ec2/vpc:Vpc",
        lambda _: {"cidrBlock": "10.9.0.0/16", "enableDnsHostnames": True},
        outputs=("arn", "ownerId", "defaultSecurityGroupId", "mainRouteTableId", "defaultNetworkAclId"),
        change=lambda _: {"enableDnsHostnames": False},
        replaces=("cidrBlock", "10.8.0.0/16"),
    ),
    Case(
        "aws:ec2/subnet:Subnet",
        _subnet,
        outputs=("arn", "availabilityZoneId", "ownerId"),
        change=lambda _: {"mapPublicIpOnLaunch": True},
        replaces=("availabilityZone", "us-east-2b"),
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        lambda world: {"vpcId": world.vpc()},
        outputs=("arn", "ownerId"),
        replaces=("vpcId", "vpc-0"),
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        _association,
        outputs=("routeTableId", "subnetId"),
        tagged=False,
        replaces=("subnetId", "subnet-0"),
    ),
    Case(
        "aws:ec2/route:Route",
        _route,
        outputs=("state", "origin"),
        tagged=False,
        replaces=("destinationCidrBlock", "10.0.0.0/8"),
    ),
    Case(
        "aws:ec2/internetGateway:InternetGateway",
        lambda world: {"vpcId": world.vpc()},
        outputs=("arn", "ownerId", "vpcId"),
        change=lambda world: {"vpcId": world.vpc()},
    ),
    Case(
        "aws:ec2/eip:Eip",
        lambda _: {"domain": "vpc"},
        outputs=("arn", "allocationId", "publicIp", "publicDns"),
        replaces=("domain", "standard"),
    ),
    Case(
        "aws:ec2/natGateway:NatGateway",
        _nat,
        outputs=("publicIp", "privateIp", "networkInterfaceId"),
        replaces=("subnetId", "subnet-0"),
    ),
    Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        lambda world: {"vpcId": world.vpc()},
        outputs=("arn", "name", "ownerId"),
        replaces=("vpcId", "vpc-0"),
        stays=True,
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda world: {"name": world.name("nodes"), "description": "nodes", "vpcId": world.vpc()},
        outputs=("arn", "ownerId", "name"),
        replaces=("description", "other"),
    ),
    Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        _ingress,
        outputs=("arn", "securityGroupRuleId"),
        change=lambda _: {"cidrIpv4": "10.0.1.0/24", "toPort": 444, "description": "fewer"},
        replaces=("securityGroupId", "sg-0"),
    ),
    Case(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        _egress,
        outputs=("arn", "securityGroupRuleId"),
        change=lambda _: {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22},
        replaces=("cidrIpv4", "10.0.0.0/8"),
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        _interface_endpoint,
        outputs=("arn", "dnsEntries", "networkInterfaceIds", "ownerId", "state"),
        change=lambda _: {"policy": OTHER_POLICY, "privateDnsEnabled": False},
        replaces=("serviceName", "com.amazonaws.us-east-2.sts"),
        variant="-interface",
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        _gateway_endpoint,
        outputs=("arn", "prefixListId", "cidrBlocks", "ownerId", "state"),
        change=lambda _: {"routeTableIds": []},
        replaces=("vpcEndpointType", "Interface"),
        variant="-gateway",
    ),
    Case(
        "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
        _connect_endpoint,
        outputs=("arn", "availabilityZone", "dnsName", "fipsDnsName", "networkInterfaceIds", "ownerId", "vpcId"),
        replaces=("preserveClientIp", True),
    ),
    Case(
        "aws:ec2/placementGroup:PlacementGroup",
        lambda world: {"name": world.name("close"), "strategy": "cluster"},
        outputs=("arn", "placementGroupId"),
        replaces=("strategy", "spread"),
    ),
    Case(
        "aws:ec2/capacityReservation:CapacityReservation",
        _reservation,
        outputs=("arn", "ownerId"),
        change=lambda _: {"instanceCount": 2, "endDateType": "limited", "endDate": "2096-01-01T00:00:00Z"},
        replaces=("instanceType", "p5e.48xlarge"),
    ),
    Case(
        "aws:ec2/launchTemplate:LaunchTemplate",
        _template,
        outputs=("arn", "defaultVersion", "latestVersion"),
        change=lambda _: {"instanceType": "p5e.48xlarge", "updateDefaultVersion": True},
        shows={"latestVersion": 2, "defaultVersion": 2},
        replaces=("name", "other"),
    ),
    Case(
        "aws:autoscaling/group:Group",
        _group,
        outputs=("arn",),
        tagged=False,
        change=lambda _: {
            "maxSize": 2,
            "suspendedProcesses": ["AZRebalance"],
            "tags": [{"key": "colour", "value": "blue", "propagateAtLaunch": True}],
        },
        replaces=("name", "other"),
    ),
    Case(
        "aws:autoscaling/schedule:Schedule",
        _schedule,
        outputs=("arn",),
        tagged=False,
        change=lambda _: {"startTime": "2096-01-02T00:00:00Z"},
        replaces=("scheduledActionName", "other"),
    ),
    Case(
        "aws:budgets/budget:Budget",
        lambda world: {
            "name": world.name("budget"),
            "budgetType": "COST",
            "limitAmount": "300.00",
            "limitUnit": "USD",
            "timeUnit": "ANNUALLY",
            "costFilters": [{"name": "TagKeyValue", "values": [f"user:cloister:stack${world.stack}"]}],
        },
        outputs=("arn", "accountId", "limitAmount", "costFilters"),
        tagged=False,
        replaces=("limitAmount", "400.00"),
    ),
    Case(
        "aws:ec2/instance:Instance",
        _instance,
        outputs=("arn", "privateIp", "privateDns", "availabilityZone", "instanceState", "primaryNetworkInterfaceId"),
        change=lambda _: {
            "instanceType": "g6e.12xlarge",
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2},
        },
        shows={
            "instanceType": "g6e.12xlarge",
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpProtocolIpv6": "disabled",
                "httpPutResponseHopLimit": 2,
                "httpTokens": "required",
                "instanceMetadataTags": "disabled",
            },
        },
        replaces=("ami", "ami-0"),
    ),
    Case(
        "aws:iam/role:Role",
        lambda world: {
            "name": world.name("node"),
            "assumeRolePolicy": TRUST,
            "inlinePolicies": [{"name": "logs", "policy": POLICY}],
        },
        outputs=("arn", "uniqueId", "createDate"),
        change=lambda _: {"description": "a node", "inlinePolicies": [{"name": "more", "policy": OTHER_POLICY}]},
        replaces=("name", "other"),
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        _role_policy,
        outputs=("name", "role"),
        tagged=False,
        change=lambda _: {"policy": OTHER_POLICY},
        replaces=("name", "write"),
    ),
    Case(
        "aws:iam/instanceProfile:InstanceProfile",
        _profile,
        outputs=("arn", "uniqueId", "createDate", "role"),
        replaces=("path", "/other/"),
    ),
    Case(
        "aws:kms/key:Key",
        lambda _: {"description": "disks", "enableKeyRotation": True, "deletionWindowInDays": 7},
        outputs=("arn", "keyId", "policy"),
        change=lambda _: {"description": "all disks", "enableKeyRotation": False},
        replaces=("keyUsage", "SIGN_VERIFY"),
    ),
    Case(
        "aws:kms/alias:Alias",
        _alias,
        outputs=("arn", "targetKeyArn"),
        tagged=False,
        change=_other_key,
        replaces=("name", "alias/other"),
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        lambda world: {"name": f"/nodes/{world.stack}", "retentionInDays": 30},
        outputs=("arn",),
        change=lambda _: {"retentionInDays": 90},
        replaces=("name", "/other"),
    ),
    Case(
        "aws:ec2/flowLog:FlowLog",
        _flow_log,
        outputs=("arn",),
        replaces=("trafficType", "REJECT"),
    ),
    Case(
        "aws:route53/zone:Zone",
        lambda world: {"name": f"{world.stack}.internal", "comment": world.stack, "vpcs": [{"vpcId": world.vpc()}]},
        outputs=("name", "zoneId"),
        change=lambda _: {"comment": "the endpoint"},
        replaces=("name", "other.internal"),
    ),
    Case(
        "aws:route53/record:Record",
        _record,
        outputs=("fqdn", "records"),
        tagged=False,
        change=lambda _: {"ttl": 30, "records": ["10.0.0.5", "10.0.0.6"]},
        replaces=("name", "other"),
    ),
    Case(
        "aws:s3/bucket:Bucket",
        lambda world: {"bucket": world.name("bundle"), "forceDestroy": True},
        outputs=("arn", "bucketDomainName", "bucketRegionalDomainName", "region"),
        change=lambda _: {"forceDestroy": False},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        _bucket_part(policy=POLICY),
        outputs=("policy",),
        tagged=False,
        change=lambda _: {"policy": OTHER_POLICY},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        _bucket_part(blockPublicAcls=True, blockPublicPolicy=True, ignorePublicAcls=True, restrictPublicBuckets=True),
        outputs=("restrictPublicBuckets",),
        tagged=False,
        change=lambda _: {"restrictPublicBuckets": False},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketVersioning:BucketVersioning",
        _bucket_part(versioningConfiguration={"status": "Enabled"}),
        outputs=("versioningConfiguration",),
        tagged=False,
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        _bucket_part(rules=_encrypted("one")),
        outputs=("rules",),
        tagged=False,
        change=lambda _: {"rules": _encrypted("other")},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        _bucket_part(rules=_kept(30)),
        outputs=("rules",),
        tagged=False,
        change=lambda _: {"rules": _kept(7)},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        _bucket_part(rule={"objectOwnership": "BucketOwnerEnforced"}),
        outputs=("rule",),
        tagged=False,
        change=lambda _: {"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        replaces=("bucket", "other"),
    ),
    Case(
        "aws:secretsmanager/secret:Secret",
        lambda world: {"name": world.name("token"), "description": "a token", "recoveryWindowInDays": 0},
        outputs=("arn",),
        change=lambda _: {"description": "the token", "policy": POLICY},
        replaces=("name", "other"),
    ),
)
