"""Security groups name who may talk: groups of the stack, and the clients' networks at the gateway's port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.networks import is_private, parse, within
from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_set, must_be_own, own_value, require

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
RULE_TYPES = (GROUP, DEFAULT_GROUP, GROUP_RULE, INGRESS_RULE, EGRESS_RULE)

VPC, ZONE, RECORD = "aws:ec2/vpc:Vpc", "aws:route53/zone:Zone", "aws:route53/record:Record"

NEEDS_GROUPS = {
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": "securityGroupIds",
    "aws:ec2/networkInterface:NetworkInterface": "securityGroups",
}
"""Types that take the VPC's default group, open to all its members, when they name none: and where they name it."""


@dataclass(frozen=True)
class Traffic:
    """One direction of one rule, whichever of the resource types it was written in; values may be UNKNOWN."""

    path: str
    inbound: bool | None
    protocol: Any
    first_port: Any
    last_port: Any
    cidrs: tuple[tuple[str, Any], ...]
    prefix_lists: tuple[Any, ...]


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge one resource."""
    for traffic in _traffic(resource):
        yield from _only_private(traffic)
    if resource.type in NEEDS_GROUPS:
        yield from _groups_named(resource, NEEDS_GROUPS[resource.type])
    elif resource.type == "aws:ec2/vpcEndpoint:VpcEndpoint":
        if at(resource.inputs, "vpcEndpointType") not in (None, "Gateway"):  # a gateway endpoint has no interface
            yield from _groups_named(resource, "securityGroupIds")
    elif resource.type == "aws:ec2/launchTemplate:LaunchTemplate":
        yield from _template_groups(resource)
    elif resource.type == "aws:ec2/instance:Instance":
        elsewhere = ("launchTemplate", "primaryNetworkInterface")
        if not any(is_set(at(resource.inputs, name)) for name in elsewhere):
            yield from _groups_named(resource, "vpcSecurityGroupIds")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge networks that may enter (the clients' alone, at the gateway's port alone), and who knows names."""
    for record in stack.of_type(RECORD):
        yield from must_be_own(stack, record, "zoneId", ZONE)
    for zone in stack.of_type(ZONE):
        yield from _known_to(stack, zone)
    for resource in stack.of_type(*RULE_TYPES):
        for traffic in _traffic(resource):
            if traffic.inbound and (traffic.cidrs or traffic.prefix_lists):
                yield from _only_clients(traffic, stack.plan, resource)


def _known_to(stack: Stack, zone: Resource) -> Iterator[Answer]:
    """Judge who may know a zone's names: a zone without VPCs is the world's."""
    vpcs = tuple(each(zone.inputs, "vpcs"))
    if not vpcs:
        yield Violated("the zone is public: it names no VPC (`vpcs`)", zone)
    named = stack.plan.private_name.consumer_vpc_ids if stack.plan and stack.plan.private_name else ()
    for path, vpc in vpcs:
        vpc_id = at(vpc, "vpcId")
        if vpc_id not in named:
            yield from own_value(stack, zone, f"{path}.vpcId", vpc_id, VPC)


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the clients' networks."""
    for cidr in plan.network.client_cidrs:
        if not is_private(cidr):
            yield Violated(f"`network.client_cidrs` names a network that is not private: {cidr}")


def _only_private(traffic: Traffic) -> Iterator[Answer]:
    way = {True: "in from", False: "out to", None: "to or from"}[traffic.inbound]
    if traffic.inbound is None:
        yield NotKnown(f"{traffic.path}type")
    for path, cidr in traffic.cidrs:
        yield from require(cidr, is_private, path, f"traffic may pass {way} {cidr}, which is not a private network")


def _only_clients(traffic: Traffic, plan: Plan | None, resource: Resource) -> Iterator[Answer]:
    if plan is None:
        yield NotKnown("the plan, which names the clients' networks", resource)
        return
    for path, name, named in _sources(traffic, plan):
        if name is UNKNOWN:
            yield NotKnown(path, resource)
        elif not named:
            yield Violated(f"{name} may come in, but is not among `network.client_cidrs` or their lists", resource)
    port = plan.network.gateway_port
    opening = (traffic.protocol, traffic.first_port, traffic.last_port)
    if UNKNOWN in opening:
        yield NotKnown(f"{traffic.path}fromPort", resource)
    elif opening not in {("tcp", port, port), ("6", port, port)}:
        yield Violated(f"networks may reach more than the gateway's port {port}/tcp: {_opening(*opening)}", resource)


def _sources(traffic: Traffic, plan: Plan) -> Iterator[tuple[str, Any, bool]]:
    """Yield (path, network or prefix list, whether the plan names it). `up` checks what is in a list."""
    clients = tuple(network for network in map(parse, plan.network.client_cidrs) if network is not None)
    yield from ((path, cidr, within(cidr, clients)) for path, cidr in traffic.cidrs)
    named = plan.network.client_prefix_lists
    yield from ((f"{traffic.path}prefixListId", one, one in named) for one in traffic.prefix_lists)


def _opening(protocol: Any, first: Any, last: Any) -> str:
    if protocol in ("-1", "all", None):
        return "every port of every protocol"
    return f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"


def _groups_named(resource: Resource, name: str) -> Iterator[Answer]:
    groups = at(resource.inputs, name)
    if not is_set(groups):
        yield Violated(f"no security group is named (`{name}`), so the VPC's default group applies")


def _template_groups(template: Resource) -> Iterator[Answer]:
    interfaces = tuple(each(template.inputs, "networkInterfaces"))
    if not interfaces:
        yield from _groups_named(template, "vpcSecurityGroupIds")
    for path, interface in interfaces:
        groups = at(interface, "securityGroups")
        yield from require(groups, is_set, path, f"{path} names no security group, so the default group applies")


def _traffic(resource: Resource) -> Iterator[Traffic]:
    inputs = resource.inputs
    if resource.type in (GROUP, DEFAULT_GROUP):
        for side in ("ingress", "egress"):
            for path, rule in each(inputs, side):
                yield _block(f"{path}.", rule, inbound=side == "ingress")
    elif resource.type == GROUP_RULE:
        kind = at(inputs, "type")
        yield _block("", inputs, inbound=None if kind is UNKNOWN else kind != "egress")
    elif resource.type in (INGRESS_RULE, EGRESS_RULE):
        yield Traffic(
            path="",
            inbound=resource.type == INGRESS_RULE,
            protocol=at(inputs, "ipProtocol"),
            first_port=at(inputs, "fromPort"),
            last_port=at(inputs, "toPort"),
            cidrs=tuple((name, at(inputs, name)) for name in ("cidrIpv4", "cidrIpv6") if is_set(at(inputs, name))),
            prefix_lists=(at(inputs, "prefixListId"),) if is_set(at(inputs, "prefixListId")) else (),
        )


def _block(path: str, rule: Any, *, inbound: bool | None) -> Traffic:
    if rule is UNKNOWN:
        unknown = ((path.rstrip("."), UNKNOWN),)
        return Traffic(path, inbound, UNKNOWN, UNKNOWN, UNKNOWN, cidrs=unknown, prefix_lists=())
    cidrs = (item for name in ("cidrBlocks", "ipv6CidrBlocks") for item in each(rule, name))
    return Traffic(
        path=path,
        inbound=inbound,
        protocol=at(rule, "protocol"),
        first_port=at(rule, "fromPort"),
        last_port=at(rule, "toPort"),
        cidrs=tuple((path + name, cidr) for name, cidr in cidrs),
        prefix_lists=tuple(list_id for _, list_id in each(rule, "prefixListIds")),
    )


def _ingress(name: str, **inputs: Any) -> Resource:
    return examples.resource(INGRESS_RULE, name, securityGroupId=UNKNOWN, ipProtocol="tcp", **inputs)


_VPC = examples.resource(VPC, "main", cidrBlock="10.42.0.0/16")

RULE = Rule(
    id="only-named-networks",
    title="Only the clients' networks come in, and only to the gateway's port",
    family="network",
    severity="critical",
    why=(
        "A security group open to any address puts the port in front of every scanner, and a port beside the gateway's "
        "reaches services that check no token. A group open outwards lets an intruder send prompts and weights away."
    ),
    remediation=(
        "Name your office, VPN or peered networks in `network.client_cidrs`, private ranges only; between parts of the "
        "stack, name security groups instead of addresses. `deploy plan` shows the verdict."
    ),
    controls=("cis-aws 5.3", "cis-aws 5.4", "cis-aws 5.5", "nist SC-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=(
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html",
        "https://www.rfc-editor.org/rfc/rfc1918",
    ),
    good=(
        Example(
            "a name that the stack's VPC alone knows",
            (_VPC, examples.resource(ZONE, "name", after=(_VPC,), vpcs=[{"vpcId": UNKNOWN}])),
        ),
        Example(
            "the clients' network at the gateway's port",
            (_ingress("gateway", fromPort=8443, toPort=8443, cidrIpv4="10.20.0.0/16"),),
            plan=examples.plan(client_cidrs=("10.20.0.0/16",), gateway_port=8443),
        ),
        Example(
            "a group that talks to itself alone",
            (
                examples.resource(
                    GROUP,
                    "efa",
                    ingress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}],
                    egress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}],
                ),
            ),
        ),
        Example(
            "a prefix list that the profile names",
            (_ingress("gateway", fromPort=8443, toPort=8443, prefixListId="pl-0123456789abcdef0"),),
            plan=examples.plan(client_prefix_lists=("pl-0123456789abcdef0",), gateway_port=8443),
        ),
        Example("unique local addresses as clients", plan=examples.plan(client_cidrs=("fd12:3456:789a::/48",))),
    ),
    bad=(
        Example("a public zone", (examples.resource(ZONE, "name", comment="for everybody"),)),
        Example(
            "a VPC that the plan does not name",
            (_VPC, examples.resource(ZONE, "name", after=(_VPC,), vpcs=[{"vpcId": "vpc-0123456789abcdef0"}])),
        ),
        Example(
            "a record in somebody else's zone",
            (examples.resource(RECORD, "name", zoneId="Z0123456789ABCDEFGHIJ", records=["10.0.0.1"]),),
        ),
        Example("the whole internet, inbound", (_ingress("gateway", fromPort=443, toPort=443, cidrIpv4="0.0.0.0/0"),)),
        Example(
            "the whole internet, outbound, over IPv6",
            (examples.resource(EGRESS_RULE, "out", securityGroupId=UNKNOWN, ipProtocol="-1", cidrIpv6="::/0"),),
        ),
        Example(
            "SSH from the clients' network",
            (_ingress("ssh", fromPort=22, toPort=22, cidrIpv4="10.20.0.0/16"),),
            plan=examples.plan(),
        ),
        Example(
            "the gateway's port, from a private network that is not a client's",
            (_ingress("gateway", fromPort=8443, toPort=8443, cidrIpv4="192.168.0.0/16"),),
            plan=examples.plan(),
        ),
        Example(
            "a prefix list that nobody named",
            (_ingress("gateway", fromPort=8443, toPort=8443, prefixListId="pl-0123456789abcdef0"),),
            plan=examples.plan(gateway_port=8443),
        ),
        Example(
            "clients on the internet, in the plan", plan=examples.plan(client_cidrs=("10.0.0.0/8", "203.0.113.0/24"))
        ),
        Example(
            "an endpoint that falls back to the default group",
            (
                examples.resource(
                    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint", "ssh", subnetId=UNKNOWN
                ),
            ),
        ),
    ),
    on_resource=on_resource,
    on_stack=on_stack,
    on_plan=on_plan,
)
