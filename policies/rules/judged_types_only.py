"""What no rule knows cannot be judged, so it may not be in the stack: the rules deny by default."""

from __future__ import annotations

from collections.abc import Iterator

from planner.resources import Resource
from policies import examples
from policies.rule import Answer, Example, Rule, Violated
from policies.rules.no_internet_path import FORBIDDEN

OWN = ("cloister:", "pulumi:pulumi:Stack", "pulumi:providers:aws")
"""Beginnings of types that are not resources of a cloud: our components, the stack itself, the provider."""

JUDGED = {
    "aws:autoscaling/group:Group": "deadline-switch",
    "aws:autoscaling/schedule:Schedule": "deadline-switch",
    "aws:cloudwatch/logGroup:LogGroup": "encrypted-at-rest",
    "aws:ebs/volume:Volume": "encrypted-at-rest",
    "aws:ec2/defaultRouteTable:DefaultRouteTable": "no-internet-path",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "only-named-networks",
    "aws:ec2/flowLog:FlowLog": "encrypted-at-rest",
    "aws:ec2/instance:Instance": (
        "no-internet-path, only-named-networks, instance-metadata-v2, encrypted-at-rest, least-privilege"
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "no-internet-path, only-named-networks, instance-metadata-v2, encrypted-at-rest, least-privilege"
    ),
    "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation": "no-internet-path",
    "aws:ec2/networkInterface:NetworkInterface": "no-internet-path, only-named-networks",
    "aws:ec2/route:Route": "no-internet-path, named-consumers",
    "aws:ec2/routeTable:RouteTable": "no-internet-path, named-consumers",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "no-internet-path",
    "aws:ec2/securityGroup:SecurityGroup": "only-named-networks",
    "aws:ec2/securityGroupRule:SecurityGroupRule": "only-named-networks",
    "aws:ec2/subnet:Subnet": "no-internet-path",
    "aws:ec2/vpc:Vpc": "no-internet-path",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "no-internet-path, only-named-networks, least-privilege",
    "aws:ec2/vpcEndpointService:VpcEndpointService": "named-consumers",
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": "named-consumers",
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": "least-privilege",
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": "only-named-networks",
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": "named-consumers",
    "aws:iam/instanceProfile:InstanceProfile": "least-privilege",
    "aws:iam/policy:Policy": "least-privilege",
    "aws:iam/role:Role": "least-privilege",
    "aws:iam/rolePolicy:RolePolicy": "least-privilege",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "least-privilege",
    "aws:kms/key:Key": "encrypted-at-rest, least-privilege",
    "aws:kms/keyPolicy:KeyPolicy": "least-privilege",
    "aws:lb/listener:Listener": "named-consumers",
    "aws:lb/loadBalancer:LoadBalancer": "named-consumers",
    "aws:lb/targetGroup:TargetGroup": "named-consumers",
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": "named-consumers",
    "aws:route53/record:Record": "only-named-networks",
    "aws:route53/zone:Zone": "only-named-networks",
    "aws:s3/bucket:Bucket": "private-buckets, encrypted-at-rest",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "private-buckets",
    "aws:s3/bucketPolicy:BucketPolicy": "private-buckets, least-privilege",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "private-buckets",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "encrypted-at-rest",
    "aws:s3/bucketVersioning:BucketVersioning": "private-buckets",
    "aws:secretsmanager/secret:Secret": "encrypted-at-rest",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "least-privilege",
    "aws:ssm/parameter:Parameter": "encrypted-at-rest",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "only-named-networks",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "only-named-networks",
}
"""Types that rules judge, and which rules."""

HARMLESS = {
    "aws:budgets/budget:Budget": "tells of costs, to those whom the profile names",
    "aws:ec2/capacityReservation:CapacityReservation": "holds machines, and holds no data",
    "aws:ec2/placementGroup:PlacementGroup": "says where nodes stand",
    "aws:kms/alias:Alias": "is a name of a key",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "deletes what is old, and shows it to nobody",
}
"""Types that open nothing whatever their properties say, and why."""


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge the type of one resource."""
    known = resource.type in JUDGED or resource.type in HARMLESS or resource.type in FORBIDDEN
    if not known and not resource.type.startswith(OWN):
        yield Violated(f"no rule judges resources of type {resource.type}, so nobody can say that this one is private")


RULE = Rule(
    id="judged-types-only",
    title="Only resource types that the rules can judge",
    family="supply-chain",
    severity="high",
    why=(
        "A rule that lists what is forbidden misses what nobody thought of: a function with a public address, a stack "
        "within the stack, a fleet that starts nodes of its own. What is not listed here is therefore refused."
    ),
    remediation=(
        "Leave the resource out, or add its type to this rule's list beside the rule that judges it; `deploy plan` "
        "shows the verdict."
    ),
    controls=("nist CM-7", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://www.pulumi.com/registry/packages/aws/api-docs/",),
    good=(
        Example(
            "a component and the VPC inside it",
            (
                examples.resource("cloister:network:Network", "network"),
                examples.resource("aws:ec2/vpc:Vpc", "main", cidrBlock="10.42.0.0/16"),
            ),
        ),
        Example("a placement group", (examples.resource("aws:ec2/placementGroup:PlacementGroup", "nodes"),)),
    ),
    bad=(
        Example(
            "a function with a public address",
            (examples.resource("aws:lambda/functionUrl:FunctionUrl", "hook", authorizationType="NONE"),),
        ),
        Example(
            "a stack within the stack",
            (examples.resource("aws:cloudformation/stack:Stack", "inner", templateBody="{}"),),
        ),
        Example(
            "a command on the machine that deploys",
            (examples.resource("command:local:Command", "setup", create="true"),),
        ),
    ),
    on_resource=on_resource,
)
