"""Ways in beside the network's own lead to whom the profile names, and each is accepted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.networks import is_private, parse, within
from planner.plan import JoinedNetworkPlan, Plan, PrivateLinkPlan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_on, is_set, must_be_own, own_value, require

BALANCER, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
TARGETS, TARGET = "aws:lb/targetGroup:TargetGroup", "aws:lb/targetGroupAttachment:TargetGroupAttachment"
SERVICE = "aws:ec2/vpcEndpointService:VpcEndpointService"
PEERING = "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"
ATTACHMENT = "aws:ec2transitgateway/vpcAttachment:VpcAttachment"
ROUTE, ROUTE_TABLE = "aws:ec2/route:Route", "aws:ec2/routeTable:RouteTable"
VPC, INSTANCE, GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/instance:Instance", "aws:ec2/securityGroup:SecurityGroup"

PLACED = (
    (PEERING, "vpcId", VPC),
    (ATTACHMENT, "vpcId", VPC),
    (TARGETS, "vpcId", VPC),
    (TARGET, "targetId", INSTANCE),
    (TARGET, "targetGroupArn", TARGETS),
    (LISTENER, "loadBalancerArn", BALANCER),
)
"""Types, and the property that must name something of this stack."""

OTHER_ENDS = {
    PEERING: ("peerVpcId", "peering"),
    ATTACHMENT: ("transitGatewayId", "transit-gateway"),
}
"""Types that join a network: the property that names it, and its kind in the plan."""

ROUTED = {"transitGatewayId": "transit-gateway", "vpcPeeringConnectionId": "peering"}
"""Targets of routes that lead to joined networks, and their kind in the plan."""


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge one resource by itself."""
    inputs = resource.inputs
    if resource.type == BALANCER:
        yield from _balancer(inputs)
    elif resource.type == LISTENER:
        message = "the load balancer opens what is sent (`protocol` is not TCP): TLS ends on the node"
        yield from require(at(inputs, "protocol"), lambda value: value == "TCP", "protocol", message)
    elif resource.type == SERVICE:
        message = "whoever may ask is connected at once (`acceptanceRequired` is not true)"
        yield from require(at(inputs, "acceptanceRequired"), is_on, "acceptanceRequired", message)
        for path, principal in each(inputs, "allowedPrincipals"):
            anybody = f"anybody may ask to connect: {principal}"
            yield from require(principal, lambda value: "*" not in str(value), path, anybody)


def _balancer(inputs: Any) -> Iterator[Answer]:
    yield from require(at(inputs, "internal"), is_on, "internal", "the load balancer faces the internet (`internal`)")
    groups = at(inputs, "securityGroups")
    yield from require(
        groups, is_set, "securityGroups", "the load balancer lets everybody in: it has no security group"
    )
    enforced = at(inputs, "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic")
    message = "what PrivateLink carries passes by the load balancer's security group"
    yield from require(enforced, (None, "on").__contains__, "enforceSecurityGroupInboundRules...", message)
    if is_set(at(inputs, "subnetMappings")):
        yield Violated("addresses of the load balancer are chosen (`subnetMappings`), among them public ones")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge what belongs together, and whom the plan names."""
    for type_, path, target in PLACED:
        for resource in stack.of_type(type_):
            yield from must_be_own(stack, resource, path, target)
    for type_, path, target in ((BALANCER, "securityGroups", GROUP), (SERVICE, "networkLoadBalancerArns", BALANCER)):
        for resource in stack.of_type(type_):
            for place, value in each(resource.inputs, path):
                yield from own_value(stack, resource, place, value, target)
    if stack.plan is None:
        ways = (BALANCER, SERVICE, PEERING, ATTACHMENT, LISTENER, TARGETS)
        yield from (NotKnown("the plan, which names consumers", resource) for resource in stack.of_type(*ways))
        return
    yield from _joined(stack, stack.plan)
    yield from _routes(stack, stack.plan)
    yield from _offered(stack, stack.plan)


def _joined(stack: Stack, plan: Plan) -> Iterator[Answer]:
    for type_, (path, kind) in OTHER_ENDS.items():
        named = {one.id for one in plan.consumers.joined if one.kind == kind}
        for resource in stack.of_type(type_):
            value = at(resource.inputs, path)
            if value is UNKNOWN:
                yield NotKnown(path, resource)
            elif value not in named:
                yield Violated(f"a network is joined that the profile does not name: {value}", resource)


def _routes(stack: Stack, plan: Plan) -> Iterator[Answer]:
    for resource in stack.of_type(ROUTE):
        yield from _route(resource, plan, resource.inputs, "destinationCidrBlock")
    for resource in stack.of_type(ROUTE_TABLE):
        for _, route in each(resource.inputs, "routes"):
            yield from _route(resource, plan, route, "cidrBlock")


def _route(resource: Resource, plan: Plan, route: Any, destination: str) -> Iterator[Answer]:
    for name, kind in ROUTED.items():
        cidr, target = at(route, destination), at(route, name)
        if not is_set(target) or not (cidr is UNKNOWN or is_private(cidr)):
            continue  # a route to what is not private is another rule's matter
        joined = [one for one in plan.consumers.joined if one.kind == kind and _may_be(one, target)]
        named = tuple(network for one in joined for network in map(parse, one.cidrs) if network)
        message = f"a route leads through a {kind} to {cidr}, which the profile does not name there"
        if cidr is UNKNOWN:
            yield NotKnown(destination, resource)
        elif not within(cidr, named):
            yield Violated(message, resource)


def _may_be(joined: JoinedNetworkPlan, target: Any) -> bool:
    """Tell whether a route's target may be a joined network; a peering has an id of its own."""
    return joined.kind == "peering" or target == joined.id


def _offered(stack: Stack, plan: Plan) -> Iterator[Answer]:
    link = plan.consumers.private_link
    for resource in stack.of_type(BALANCER, LISTENER, TARGETS, TARGET, SERVICE):
        if link is None:
            yield Violated("the endpoint is offered to consumers, which the profile does not say", resource)
        elif resource.type == SERVICE:
            yield from _principals(resource, link)
        elif resource.type in (LISTENER, TARGETS, TARGET) and at(resource.inputs, "port") != plan.network.gateway_port:
            yield Violated(f"more than the gateway's port {plan.network.gateway_port} is offered", resource)


def _principals(service: Resource, link: PrivateLinkPlan) -> Iterator[Answer]:
    for path, principal in each(service.inputs, "allowedPrincipals"):
        if principal is UNKNOWN:
            yield NotKnown(path, service)
        elif principal not in link.allowed_principals:
            yield Violated(
                f"{principal} may ask to connect, but is not in `aws.private_link.allowed_principals`", service
            )


_PARTNER = "arn:aws:iam::210987654321:root"
_OFFERED = examples.consumers(private_link=PrivateLinkPlan(allowed_principals=(_PARTNER,), balancer_name="cloister-e"))
_GATEWAY = JoinedNetworkPlan(kind="transit-gateway", id="tgw-0123456789abcdef0", cidrs=("10.20.0.0/16",))
_ATTACHED = examples.consumers(joined=(_GATEWAY,))
_VPC = examples.resource(VPC, "main", cidrBlock="10.42.0.0/16")
_GROUP = examples.resource(GROUP, "balancer")


def _nlb(**inputs: Any) -> Resource:
    full = {"internal": True, "loadBalancerType": "network", "securityGroups": [UNKNOWN], **inputs}
    return examples.resource(BALANCER, "nlb", after=(_GROUP,), **full)


def _service(**inputs: Any) -> tuple[Resource, ...]:
    balancer = _nlb()
    full = {"acceptanceRequired": True, "allowedPrincipals": [_PARTNER], "networkLoadBalancerArns": [UNKNOWN], **inputs}
    return _GROUP, balancer, examples.resource(SERVICE, "service", after=(balancer,), **full)


def _attachment(gateway: str) -> tuple[Resource, ...]:
    return _VPC, examples.resource(ATTACHMENT, "tgw", after=(_VPC,), vpcId=UNKNOWN, transitGatewayId=gateway)


def _through(cidr: str) -> tuple[Resource, ...]:
    return (examples.resource(ROUTE, "office", destinationCidrBlock=cidr, transitGatewayId=_GATEWAY.id),)


RULE = Rule(
    id="named-consumers",
    title="Only consumers that the profile names are let in, one by one",
    family="network",
    severity="critical",
    why=(
        "An endpoint service that anybody may connect to puts the port into foreign networks, where no firewall of the "
        "company looks. A peering or an attachment that nobody named joins a whole network with the nodes."
    ),
    remediation=(
        "Name accounts or roles in `aws.private_link`, a gateway in `aws.transit_gateway` and VPCs in `aws.peering`, "
        "each with the private networks to be reached; `deploy plan` shows the verdict."
    ),
    controls=("cis-aws 5.6", "nist AC-4", "iso27001 A.8.22", "soc2 CC6.6"),
    references=(
        "https://docs.aws.amazon.com/vpc/latest/privatelink/configure-endpoint-service.html",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html",
        "https://docs.aws.amazon.com/vpc/latest/tgw/tgw-vpc-attachments.html",
    ),
    good=(
        Example("a service for one account, behind a load balancer with a group", _service(), plan=_OFFERED),
        Example("an attachment that the profile names", _attachment(_GATEWAY.id), plan=_ATTACHED),
        Example("a route to a network that the profile names there", _through("10.20.4.0/22"), plan=_ATTACHED),
    ),
    bad=(
        Example("a service for everybody", _service(allowedPrincipals=["*"]), plan=_OFFERED),
        Example("a service that asks nobody", _service(acceptanceRequired=False), plan=_OFFERED),
        Example(
            "a service for an account that nobody named",
            _service(allowedPrincipals=["arn:aws:iam::310987654321:root"]),
            plan=_OFFERED,
        ),
        Example("a service that the profile does not want", _service(), plan=examples.plan()),
        Example("a load balancer that faces the internet", (_GROUP, _nlb(internal=False)), plan=_OFFERED),
        Example("a load balancer without a group", (_nlb(securityGroups=[]),), plan=_OFFERED),
        Example(
            "a load balancer whose group PrivateLink passes by",
            (_GROUP, _nlb(enforceSecurityGroupInboundRulesOnPrivateLinkTraffic="off")),
            plan=_OFFERED,
        ),
        Example("an attachment that nobody named", _attachment("tgw-0fedcba9876543210"), plan=_ATTACHED),
        Example("a route that leads further than the profile says", _through("10.0.0.0/8"), plan=_ATTACHED),
    ),
    on_resource=on_resource,
    on_stack=on_stack,
)
