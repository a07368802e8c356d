"""The network that a program would make, from the resources it registers: ids are known, or made up, but never open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from planner.plan import Plan
from planner.resources import Resource
from policies.exposure.listeners import listeners_of, machines_of
from policies.exposure.network import Balancer, Card, Entrance, Gateway, Group, Network, Route, Rule, Service, Subnet

Kind = Literal["internet", "nat", "egress-only", "carrier", "peering", "transit", "vpn"]
GATEWAYS: dict[str, Kind] = {
    "aws:ec2/internetGateway:InternetGateway": "internet",
    "aws:ec2/natGateway:NatGateway": "nat",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway": "egress-only",
    "aws:ec2/carrierGateway:CarrierGateway": "carrier",
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": "peering",
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": "transit",
    "aws:ec2/vpnGateway:VpnGateway": "vpn",
}
ROUTE_TARGETS = (
    "gatewayId",
    "natGatewayId",
    "egressOnlyGatewayId",
    "carrierGatewayId",
    "vpcPeeringConnectionId",
    "transitGatewayId",
    "vpcEndpointId",
    "networkInterfaceId",
    "localGatewayId",
    "coreNetworkArn",
)
DESTINATIONS = (
    "destinationCidrBlock",
    "cidrBlock",
    "destinationIpv6CidrBlock",
    "ipv6CidrBlock",
    "destinationPrefixListId",
)
GROUP, DEFAULT_GROUP = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS, EGRESS = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
)

PEERS = ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId", "prefixListId")
"""Properties of a rule that say whom it lets through; one of them is set."""


def planned(plan: Plan, resources: Iterable[Resource], files: Mapping[str, str] | None = None) -> Network:
    """Return the network of a plan's resources.

    Args:
        plan: names the clients.
        resources: with ids, real or made up.
        files: as rendered, which say where programs listen; None where nobody asks.

    """
    stack = _Registered(tuple(resources))
    machines = () if files is None else machines_of(plan, files)
    given = plan.network.given
    unknown = [f"{given.vpc_id}: a network that is given; the account says what leads to it"] if given else []
    if plan.target == "metal":
        unknown += [f"{one.name}: its firewall and its SSH server; `deploy verify` looks at them" for one in plan.hosts]
    unknown += [f"{one}: a prefix list; the account says what is in it" for one in plan.network.client_prefix_lists]
    return Network(
        named=plan.network.client_cidrs,
        named_lists=plan.network.client_prefix_lists,
        port=plan.network.gateway_port,
        subnets=tuple(stack.subnets()),
        groups=tuple(stack.groups()),
        cards=tuple(stack.cards()),
        gateways=tuple(stack.gateways()),
        entrances=tuple(stack.entrances()),
        balancers=tuple(stack.balancers()),
        services=tuple(stack.services()),
        passages=tuple(one.id for one in stack.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")),
        own_groups=tuple(one.id for one in stack.of_type(GROUP, DEFAULT_GROUP)),
        listeners=() if files is None or machines else listeners_of(plan, files),
        machines=machines,
        unknown=tuple(unknown),
    )


def groups_of(resources: Iterable[Resource]) -> tuple[Group, ...]:
    """Return the security groups with their rules; what the rules say must be known."""
    return tuple(_Registered(tuple(resources)).groups())


class _Registered:
    """The resources, by type and by what they name."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self.resources = resources

    def of_type(self, *types: str) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.type in types)

    def by_id(self, type_: str) -> dict[str, Resource]:
        return {resource.id: resource for resource in self.of_type(type_)}

    def subnets(self) -> Iterator[Subnet]:
        tables = {
            one.inputs.get("subnetId"): one.inputs.get("routeTableId")
            for one in self.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
        }
        for subnet in self.of_type("aws:ec2/subnet:Subnet"):
            inputs = subnet.inputs
            public = _on(inputs.get("mapPublicIpOnLaunch")) or _on(inputs.get("assignIpv6AddressOnCreation"))
            yield Subnet(
                id=subnet.id,
                name=subnet.name,
                cidr=str(inputs.get("cidrBlock") or ""),
                routes=tuple(self._routes(tables.get(subnet.id))),
                public_addresses=public,
            )

    def _routes(self, table_id: Any) -> Iterator[Route]:
        tables = self.by_id("aws:ec2/routeTable:RouteTable")
        inline = tables[table_id].inputs.get("routes") or () if table_id in tables else ()
        own = (one.inputs for one in self.of_type("aws:ec2/route:Route") if one.inputs.get("routeTableId") == table_id)
        for route in (*inline, *own):
            yield Route(destination=_first(route, DESTINATIONS), target=_first(route, ROUTE_TARGETS))

    def groups(self) -> Iterator[Group]:
        for group in self.of_type(GROUP, DEFAULT_GROUP):
            yield Group(id=group.id, name=group.name, rules=tuple(self._rules(group)))

    def _rules(self, group: Resource) -> Iterator[Rule]:
        for direction in ("ingress", "egress"):
            for block in group.inputs.get(direction) or ():
                yield from _inline(block, group, inbound=direction == "ingress")
        for rule in self.of_type(INGRESS, EGRESS):
            if rule.inputs.get("securityGroupId") == group.id:
                yield _rule(rule.inputs, _first(rule.inputs, PEERS), rule.name, inbound=rule.type == INGRESS)

    def cards(self) -> Iterator[Card]:
        elastic = {
            one.inputs.get("instance") or one.inputs.get("networkInterface"): (one.id,)
            for one in self.of_type("aws:ec2/eip:Eip")
        }
        for instance in self.of_type("aws:ec2/instance:Instance"):
            for card in self._interfaces(instance):
                address = (*elastic.get(instance.id, ()), *(("a public address",) if card["public"] else ()))
                yield Card(
                    id=instance.id,
                    name=instance.name,
                    kind="node",
                    subnet=card["subnet"],
                    groups=card["groups"],
                    public_addresses=address,
                )
        for endpoint in self.of_type("aws:ec2/vpcEndpoint:VpcEndpoint"):
            for subnet in endpoint.inputs.get("subnetIds") or ():
                yield Card(
                    id=endpoint.id,
                    name=endpoint.name,
                    kind="endpoint",
                    subnet=subnet,
                    groups=tuple(endpoint.inputs.get("securityGroupIds") or ()),
                )

    def _interfaces(self, instance: Resource) -> Iterator[dict[str, Any]]:
        """Yield the cards of an instance: its own words, or those of its template. Cards alike are one."""
        template = (instance.inputs.get("launchTemplate") or {}).get("id")
        said = self.by_id("aws:ec2/launchTemplate:LaunchTemplate")
        interfaces = said[template].inputs.get("networkInterfaces") or () if template in said else ()
        seen = []
        for one in (*interfaces, *([] if interfaces else [instance.inputs])):
            card = {
                "subnet": one.get("subnetId", ""),
                "groups": tuple(one.get("securityGroups") or one.get("vpcSecurityGroupIds") or ()),
                "public": _on(one.get("associatePublicIpAddress")) or bool(one.get("ipv6AddressCount")),
            }
            if card not in seen:
                seen.append(card)
        yield from seen

    def gateways(self) -> Iterator[Gateway]:
        for resource in self.of_type(*GATEWAYS):
            yield Gateway(id=resource.id, kind=GATEWAYS[resource.type])

    def entrances(self) -> Iterator[Entrance]:
        for one in self.of_type("aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint"):
            yield Entrance(id=one.id, groups=tuple(one.inputs.get("securityGroupIds") or ()))

    def balancers(self) -> Iterator[Balancer]:
        for one in self.of_type("aws:lb/loadBalancer:LoadBalancer"):
            # A load balancer faces the internet unless it is told not to.
            yield Balancer(id=one.id, name=one.name, internet_facing=not _on(one.inputs.get("internal")))

    def services(self) -> Iterator[Service]:
        for one in self.of_type("aws:ec2/vpcEndpointService:VpcEndpointService"):
            yield Service(
                id=one.id,
                acceptance_required=_on(one.inputs.get("acceptanceRequired")),
                principals=tuple(one.inputs.get("allowedPrincipals") or ()),
            )


def _inline(block: Mapping[str, Any], group: Resource, *, inbound: bool) -> Iterator[Rule]:
    own = [group.id] if _on(block.get("self")) else []
    lists = ("cidrBlocks", "ipv6CidrBlocks", "securityGroups", "prefixListIds")
    for peer in (*(one for name in lists for one in block.get(name) or ()), *own):
        yield _rule({**block, "ipProtocol": block.get("protocol", "-1")}, peer, group.name, inbound=inbound)


def _rule(inputs: Mapping[str, Any], peer: str, owner: str, *, inbound: bool) -> Rule:
    everything = str(inputs.get("ipProtocol")) in {"-1", "all"}
    ports = (-1, -1) if everything else (int(inputs.get("fromPort", -1)), int(inputs.get("toPort", -1)))
    protocol = "-1" if everything else str(inputs.get("ipProtocol"))
    return Rule(inbound=inbound, protocol=protocol, first=ports[0], last=ports[1], peer=peer, owner=owner)


def _first(values: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((str(values[name]) for name in names if values.get(name)), "")


def _on(value: Any) -> bool:
    return value is True or value == "true"
