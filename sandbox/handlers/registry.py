"""All handlers, by the types they carry out."""

from __future__ import annotations

from sandbox.handlers.auto_scaling import Group, Schedule
from sandbox.handlers.base import Handler, Registry
from sandbox.handlers.bucket import Bucket
from sandbox.handlers.bucket_parts import (
    BucketLifecycleConfiguration,
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketServerSideEncryptionConfiguration,
    BucketVersioning,
)
from sandbox.handlers.budget import Budget
from sandbox.handlers.capacity import CapacityReservation, PlacementGroup
from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.connect_endpoint import InstanceConnectEndpoint
from sandbox.handlers.endpoint_service import VpcEndpointService
from sandbox.handlers.gateways import Eip, InternetGateway, NatGateway
from sandbox.handlers.iam import InstanceProfile, Role, RolePolicy
from sandbox.handlers.instance import Instance
from sandbox.handlers.joined_networks import TransitGatewayVpcAttachment, VpcPeeringConnection
from sandbox.handlers.kms import Alias, Key
from sandbox.handlers.launch_template import LaunchTemplate
from sandbox.handlers.load_balancer import Listener, LoadBalancer, TargetGroup, TargetGroupAttachment
from sandbox.handlers.logs import FlowLog, LogGroup
from sandbox.handlers.route53 import DnsRecord, Zone
from sandbox.handlers.routes import Route, RouteTable, RouteTableAssociation
from sandbox.handlers.secret import Secret
from sandbox.handlers.security_group_rules import SecurityGroupEgressRule, SecurityGroupIngressRule
from sandbox.handlers.security_groups import DefaultSecurityGroup, SecurityGroup
from sandbox.handlers.vpc import Subnet, Vpc
from sandbox.handlers.vpc_endpoint import VpcEndpoint

__all__ = ["SERVICES", "Boto3Clients", "default_registry"]

SERVICES = (
    "autoscaling",
    "budgets",
    "ec2",
    "elbv2",
    "iam",
    "kms",
    "logs",
    "resourcegroupstaggingapi",
    "route53",
    "s3",
    "secretsmanager",
    "ssm",
    "sts",
)
"""Services whose clients the handlers use: `Boto3Clients.warm(SERVICES)` makes them ahead of time."""


def default_registry() -> Registry:
    """Return the handlers of every type that a stack may register."""
    handlers: tuple[Handler, ...] = (
        Alias(),
        Bucket(),
        BucketLifecycleConfiguration(),
        BucketOwnershipControls(),
        BucketPolicy(),
        BucketPublicAccessBlock(),
        BucketServerSideEncryptionConfiguration(),
        BucketVersioning(),
        Budget(),
        CapacityReservation(),
        DefaultSecurityGroup(),
        DnsRecord(),
        Eip(),
        FlowLog(),
        Group(),
        Instance(),
        InstanceConnectEndpoint(),
        InstanceProfile(),
        InternetGateway(),
        Key(),
        LaunchTemplate(),
        Listener(),
        LoadBalancer(),
        LogGroup(),
        NatGateway(),
        PlacementGroup(),
        Role(),
        RolePolicy(),
        Route(),
        RouteTable(),
        RouteTableAssociation(),
        Schedule(),
        Secret(),
        SecurityGroup(),
        SecurityGroupEgressRule(),
        SecurityGroupIngressRule(),
        Subnet(),
        TargetGroup(),
        TargetGroupAttachment(),
        TransitGatewayVpcAttachment(),
        Vpc(),
        VpcEndpoint(),
        VpcEndpointService(),
        VpcPeeringConnection(),
        Zone(),
    )
    return Registry({handler.type: handler for handler in handlers})
