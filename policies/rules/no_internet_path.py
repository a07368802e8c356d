"""No path leads from the stack to the internet, or from the internet to the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.networks import is_private
from planner.plan import Plan
from planner.resources import UNKNOWN, Properties, Resource
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_off, is_set, must_be_own, own_value, require

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

PLACED = (
    (SUBNET, "vpcId", VPC),
    ("aws:ec2/networkInterface:NetworkInterface", "subnetId", SUBNET),
    ("aws:ec2/routeTableAssociation:RouteTableAssociation", "routeTableId", ROUTE_TABLE),
    ("aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation", "routeTableId", ROUTE_TABLE),
)
"""Types, and the property that must name something of this stack: what is elsewhere may lead anywhere."""

FORBIDDEN = {
    "aws:ec2/internetGateway:InternetGateway": "an internet gateway",
    "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment": "an attached internet gateway",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway": "an egress-only internet gateway",
    "aws:ec2/carrierGateway:CarrierGateway": "a carrier gateway",
    "aws:ec2/natGateway:NatGateway": "a NAT gateway",
    "aws:ec2/natGatewayEipAssociation:NatGatewayEipAssociation": "a public address of a NAT gateway",
    "aws:ec2/eip:Eip": "a public address",
    "aws:ec2/eipAssociation:EipAssociation": "an associated public address",
    "aws:ec2/defaultVpc:DefaultVpc": "the default VPC, which has an internet gateway",
    "aws:ec2/defaultSubnet:DefaultSubnet": "a default subnet, which gives public addresses",
    "aws:ec2/vpcBlockPublicAccessExclusion:VpcBlockPublicAccessExclusion": "an exception to blocked public access",
}
"""Types that are a path to the internet by their mere presence."""

INTERNET_TARGETS = {
    "natGatewayId": "a NAT gateway",
    "egressOnlyGatewayId": "an egress-only internet gateway",
    "carrierGatewayId": "a carrier gateway",
}


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge one resource."""
    if resource.type in FORBIDDEN:
        yield Violated(f"{FORBIDDEN[resource.type]} must not exist in a private stack")
    elif resource.type in _JUDGES:
        yield from _JUDGES[resource.type](resource.inputs)


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge where things are placed."""
    for type_, path, target in PLACED:
        for resource in stack.of_type(type_):
            yield from must_be_own(stack, resource, path, target)
    for instance in stack.of_type(INSTANCE):
        yield from _node_placed(stack, instance)
    for template in stack.of_type(LAUNCH_TEMPLATE):
        for path, interface in each(template.inputs, "networkInterfaces"):
            if is_set(at(interface, "subnetId")):
                yield from own_value(stack, template, f"{path}.subnetId", at(interface, "subnetId"), SUBNET)


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the networks that the plan names.

    Those of a given network are in the account, where `up` checks them; hosts of the target `metal` stand in their
    operator's, where their own firewall is what keeps the internet out.
    """
    for what, cidr in (
        ("network", plan.network.vpc_cidr),
        *((f"subnet {s.name}", s.cidr) for s in plan.network.subnets),
    ):
        if not is_private(cidr):
            yield Violated(f"the {what} has addresses that are not private: {cidr}")


def _off(properties: Any, name: str, otherwise: str) -> Iterator[Answer]:
    return require(at(properties, name), is_off, name, f"{otherwise} (`{name}`)")


def _vpc(vpc: Properties) -> Iterator[Answer]:
    cidr = at(vpc, "cidrBlock")
    yield from require(cidr, is_private, "cidrBlock", f"the VPC's addresses are not private: {cidr}")
    yield from _off(vpc, "assignGeneratedIpv6CidrBlock", "the VPC gets addresses of the internet")


def _subnet(subnet: Properties) -> Iterator[Answer]:
    yield from _off(subnet, "mapPublicIpOnLaunch", "the subnet gives its nodes public addresses")
    yield from _off(subnet, "assignIpv6AddressOnCreation", "the subnet gives its nodes addresses of the internet")


def _instance(instance: Properties) -> Iterator[Answer]:
    return _off(instance, "associatePublicIpAddress", "the node asks for a public address")


def _template(template: Properties) -> Iterator[Answer]:
    for path, interface in each(template, "networkInterfaces"):
        for name in ("associatePublicIpAddress", "associateCarrierIpAddress"):
            message = f"a network interface asks for a public address (`{name}`)"
            yield from require(at(interface, name), is_off, f"{path}.{name}", message)


def _node_placed(stack: Stack, node: Resource) -> Iterator[Answer]:
    if at(node.inputs, "subnetId") is not None:
        yield from must_be_own(stack, node, "subnetId", SUBNET)
    elif not is_set(at(node.inputs, "primaryNetworkInterface")) and not _placed_by_template(stack, node):
        yield Violated("the node names no subnet, so it lands in the default VPC, which is public", node)


def _placed_by_template(stack: Stack, instance: Resource) -> bool:
    templates = (template for template in stack.of_type(LAUNCH_TEMPLATE) if template.urn in instance.dependencies)
    interfaces = (interface for template in templates for _, interface in each(template.inputs, "networkInterfaces"))
    return any(is_set(at(interface, "subnetId")) for interface in interfaces)


def _single_route(route: Properties) -> Iterator[Answer]:
    return _route(route, "", ("destinationCidrBlock", "destinationIpv6CidrBlock"))


def _route_table(table: Properties) -> Iterator[Answer]:
    for path, route in each(table, "routes"):
        yield from _route(route, f"{path}.", ("cidrBlock", "ipv6CidrBlock"))


def _route(route: Any, prefix: str, destinations: tuple[str, ...]) -> Iterator[Answer]:
    if route is UNKNOWN:
        yield NotKnown(prefix.rstrip("."))
        return
    for name in destinations:
        cidr = at(route, name)
        message = f"a route leads to networks that are not private: {cidr}"
        yield from require(cidr, lambda value: is_off(value) or is_private(value), prefix + name, message)
    if is_set(at(route, "destinationPrefixListId")):
        yield Violated("a route leads to a list of networks (`destinationPrefixListId`) that cannot be judged")
    for name, what in INTERNET_TARGETS.items():
        if is_set(at(route, name)):
            yield Violated(f"a route leads through {what}")
    message = "a route leads through an internet gateway"
    yield from require(
        at(route, "gatewayId"), lambda value: not str(value or "").startswith("igw-"), f"{prefix}gatewayId", message
    )


def _endpoint(endpoint: Properties) -> Iterator[Answer]:
    service = at(endpoint, "serviceName")
    message = f"the endpoint leads to {service}, which is not a service of AWS's own"
    yield from require(service, _is_aws_service, "serviceName", message)


def _is_aws_service(name: Any) -> bool:
    return str(name).startswith(("com.amazonaws.", "cn.com.amazonaws.", "aws.")) and ".vpce-svc-" not in str(name)


_JUDGES = {
    VPC: _vpc,
    SUBNET: _subnet,
    INSTANCE: _instance,
    LAUNCH_TEMPLATE: _template,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:ec2/route:Route": _single_route,
    ROUTE_TABLE: _route_table,
    "aws:ec2/defaultRouteTable:DefaultRouteTable": _route_table,
}

_VPC = examples.resource(VPC, "main", cidrBlock="10.42.0.0/16")
_SUBNET = examples.resource(
    SUBNET, "private-a", after=(_VPC,), vpcId=UNKNOWN, cidrBlock="10.42.0.0/20", mapPublicIpOnLaunch=False
)

RULE = Rule(
    id="no-internet-path",
    title="No path leads to the internet or from it",
    family="network",
    severity="critical",
    why=(
        "Whoever finds a node with a public address can try its ports, and whoever breaks into one with a way out can "
        "carry off weights, prompts and answers. Without gateway, public address and default route both are impossible."
    ),
    remediation=(
        "Keep `network.vpc_cidr` in a private range (10/8, 172.16/12, 192.168/16). Reach nodes through EC2 Instance "
        "Connect, AWS services through VPC endpoints, and clients through the networks in `network.client_cidrs`; "
        "`deploy plan` shows the resources and this verdict before anything is created."
    ),
    controls=("cis-aws 5.3", "nist SC-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=(
        "https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-best-practices.html",
    ),
    good=(
        Example(
            "a private subnet, and a node in it",
            (
                _VPC,
                _SUBNET,
                examples.resource(
                    INSTANCE, "node-0", after=(_SUBNET,), subnetId=UNKNOWN, associatePublicIpAddress=False
                ),
            ),
        ),
        Example(
            "a route table with the local route alone",
            (examples.resource("aws:ec2/routeTable:RouteTable", "private", vpcId=UNKNOWN, routes=[]),),
        ),
        Example(
            "a route to an office network through a private gateway",
            (
                examples.resource(
                    "aws:ec2/route:Route",
                    "office",
                    destinationCidrBlock="10.20.0.0/16",
                    gatewayId="vgw-0123456789abcdef0",
                ),
            ),
        ),
        Example("private networks in the plan", plan=examples.plan(vpc_cidr="172.16.0.0/16")),
    ),
    bad=(
        Example(
            "an internet gateway", (examples.resource("aws:ec2/internetGateway:InternetGateway", "igw", vpcId=UNKNOWN),)
        ),
        Example(
            "a subnet that gives public addresses",
            (
                _VPC,
                examples.resource(SUBNET, "public-a", after=(_VPC,), vpcId=UNKNOWN, mapPublicIpOnLaunch=True),
            ),
        ),
        Example(
            "a launch template that asks for one, in the text form of the wire",
            (
                examples.resource(
                    LAUNCH_TEMPLATE, "node", networkInterfaces=[{"deviceIndex": 0, "associatePublicIpAddress": "true"}]
                ),
            ),
        ),
        Example(
            "an endpoint that leads to somebody else's service",
            (
                examples.resource(
                    "aws:ec2/vpcEndpoint:VpcEndpoint",
                    "out",
                    serviceName="com.amazonaws.vpce.us-east-2.vpce-svc-0123456789abcdef0",
                ),
            ),
        ),
        Example(
            "half of the internet as a route",
            (
                examples.resource(
                    "aws:ec2/route:Route", "out", destinationCidrBlock="128.0.0.0/1", networkInterfaceId=UNKNOWN
                ),
            ),
        ),
        Example("a node that names no subnet", (examples.resource(INSTANCE, "node-0", instanceType="p5en.48xlarge"),)),
        Example("addresses of the internet in the plan", plan=examples.plan(vpc_cidr="8.8.0.0/16")),
    ),
    on_resource=on_resource,
    on_stack=on_stack,
    on_plan=where(lambda plan: not plan.network.given and plan.target != "metal", on_plan),
)
