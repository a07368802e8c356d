"""The network as the account has it: everything around a VPC that could lead into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from planner.tags import RESOURCE_TAG, STACK_TAG
from policies.exposure.network import (
    AclEntry,
    Balancer,
    Card,
    Entrance,
    Gateway,
    Group,
    Network,
    Route,
    Rule,
    Service,
    Subnet,
)
from sandbox.handlers.base import Clients

LOCAL = "local"
ANY_PORT = (-1, -1)
ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "CarrierGatewayId",
    "VpcPeeringConnectionId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CoreNetworkArn",
)
DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}


def read_network(
    clients: Clients, vpc_id: str, *, stack: str, named: tuple[str, ...], named_lists: tuple[str, ...], port: int
) -> Network:
    """Read what decides who can reach into a VPC.

    Args:
        clients: of the account; nothing is changed.
        vpc_id: the VPC, made or given.
        stack: by whose tag its own groups are told from others.
        named: the clients' networks.
        named_lists: prefix lists of clients.
        port: the gateway's.

    Raises:
        botocore.exceptions.ClientError: the account does not let us look.

    """
    reading = _Reading(clients.client("ec2"), vpc_id)
    groups = tuple(reading.groups())
    balancers = tuple(_balancers(clients.client("elbv2"), vpc_id))
    lists, untold = reading.prefix_lists({rule.peer for group in groups for rule in group.rules if rule.inbound})
    return Network(
        named=named,
        named_lists=named_lists,
        port=port,
        subnets=tuple(reading.subnets()),
        groups=groups,
        cards=tuple(reading.cards(stack)),
        gateways=tuple(reading.gateways()),
        entrances=tuple(reading.entrances()),
        balancers=balancers,
        services=tuple(reading.services({balancer.id for balancer in balancers})),
        prefix_lists=lists,
        passages=tuple(reading.passages()),
        own_groups=tuple(reading.own_groups(stack)),
        unknown=tuple(f"{one}: the entries of the prefix list cannot be read" for one in untold),
    )


class _Reading:
    """What EC2 says about one VPC, asked once each."""

    def __init__(self, ec2: Any, vpc_id: str) -> None:
        self.ec2 = ec2
        self.vpc_id = vpc_id
        self.found_groups = self._all("describe_security_groups", "SecurityGroups")
        self.found_cards = self._all("describe_network_interfaces", "NetworkInterfaces")

    def _all(self, call: str, key: str, name: str = "vpc-id", **more: Any) -> list[dict[str, Any]]:
        """Return every page of what belongs to the VPC."""
        filters = [{"Name": name, "Values": [self.vpc_id]}]
        if self.ec2.can_paginate(call):
            pages = self.ec2.get_paginator(call).paginate(Filters=filters, **more)
            return [one for page in pages for one in page[key]]
        found: list[dict[str, Any]] = getattr(self.ec2, call)(Filters=filters, **more)[key]
        return found

    def subnets(self) -> Iterator[Subnet]:
        tables = self._all("describe_route_tables", "RouteTables")
        acls = self._all("describe_network_acls", "NetworkAcls")
        for subnet in self._all("describe_subnets", "Subnets"):
            subnet_id = subnet["SubnetId"]
            yield Subnet(
                id=subnet_id,
                name=_name(subnet) or subnet_id,
                cidr=subnet.get("CidrBlock", ""),
                routes=tuple(_routes(_table_of(tables, subnet_id))),
                public_addresses=bool(subnet.get("MapPublicIpOnLaunch") or subnet.get("AssignIpv6AddressOnCreation")),
                acl=_acl_of(acls, subnet_id),
            )

    def groups(self) -> Iterator[Group]:
        for group in self.found_groups:
            owner = _name(group) or group["GroupId"]
            rules = (
                *(_rules(group["IpPermissions"], owner, inbound=True)),
                *(_rules(group["IpPermissionsEgress"], owner, inbound=False)),
            )
            yield Group(id=group["GroupId"], name=owner, rules=rules)

    def own_groups(self, stack: str) -> Iterator[str]:
        return (group["GroupId"] for group in self.found_groups if _tags(group).get(STACK_TAG) == stack)

    def cards(self, stack: str) -> Iterator[Card]:
        """Return the stack's own interfaces: those in a group of its own, or tagged."""
        own = {*self.own_groups(stack)}
        names = self._instance_names()
        for card in self.found_cards:
            groups = tuple(group["GroupId"] for group in card.get("Groups", ()))
            if not own & {*groups} and _tags(card).get(STACK_TAG) != stack:
                continue
            instance = (card.get("Attachment") or {}).get("InstanceId", "")
            yield Card(
                id=card["NetworkInterfaceId"],
                name=names.get(instance) or _name(card) or card.get("Description") or card["NetworkInterfaceId"],
                kind="node" if instance else _KINDS.get(card.get("InterfaceType", ""), "other"),
                subnet=card["SubnetId"],
                groups=groups,
                public_addresses=tuple(_public_addresses(card)),
            )

    def _instance_names(self) -> dict[str, str]:
        reservations = self._all("describe_instances", "Reservations")
        return {one["InstanceId"]: _name(one) for held in reservations for one in held["Instances"]}

    def gateways(self) -> Iterator[Gateway]:
        for one in self._all("describe_internet_gateways", "InternetGateways", "attachment.vpc-id"):
            yield Gateway(id=one["InternetGatewayId"], kind="internet")
        for one in self.ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"]:
            if any(attached["VpcId"] == self.vpc_id for attached in one["Attachments"]):
                yield Gateway(id=one["EgressOnlyInternetGatewayId"], kind="egress-only")
        for one in self._all("describe_nat_gateways", "NatGateways"):
            if one["State"] not in {"deleted", "deleting", "failed"}:
                yield Gateway(id=one["NatGatewayId"], kind="nat")
        for one in self._all("describe_vpn_gateways", "VpnGateways", "attachment.vpc-id"):
            yield Gateway(id=one["VpnGatewayId"], kind="vpn")
        for one in self._all("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"):
            yield Gateway(id=one["TransitGatewayId"], kind="transit")
        yield from self._peerings()

    def _peerings(self) -> Iterator[Gateway]:
        for mine, other in (("RequesterVpcInfo", "AccepterVpcInfo"), ("AccepterVpcInfo", "RequesterVpcInfo")):
            side = mine.removesuffix("VpcInfo").lower()
            name = f"{side}-vpc-info.vpc-id"
            for one in self._all("describe_vpc_peering_connections", "VpcPeeringConnections", name):
                if one["Status"]["Code"] in {"deleted", "rejected", "failed", "expired"}:
                    continue
                there = one[other]
                blocks = {block["CidrBlock"] for block in there.get("CidrBlockSet", ())}
                blocks |= {there["CidrBlock"]} if there.get("CidrBlock") else set()
                yield Gateway(id=one["VpcPeeringConnectionId"], kind="peering", networks=tuple(sorted(blocks)))

    def passages(self) -> Iterator[str]:
        """Return the gateway endpoints: routes to AWS's services, by which nobody comes in."""
        for one in self._all("describe_vpc_endpoints", "VpcEndpoints"):
            if one["VpcEndpointType"] == "Gateway":
                yield one["VpcEndpointId"]

    def entrances(self) -> Iterator[Entrance]:
        for one in self._all("describe_instance_connect_endpoints", "InstanceConnectEndpoints"):
            yield Entrance(id=one["InstanceConnectEndpointId"], groups=tuple(one["SecurityGroupIds"]))

    def services(self, balancers: set[str]) -> Iterator[Service]:
        pages = self.ec2.get_paginator("describe_vpc_endpoint_service_configurations").paginate()
        for one in (one for page in pages for one in page["ServiceConfigurations"]):
            if not balancers & {*one.get("NetworkLoadBalancerArns", ()), *one.get("GatewayLoadBalancerArns", ())}:
                continue
            allowed = self.ec2.describe_vpc_endpoint_service_permissions(ServiceId=one["ServiceId"])
            yield Service(
                id=one["ServiceId"],
                acceptance_required=bool(one.get("AcceptanceRequired")),
                principals=tuple(sorted(item["Principal"] for item in allowed["AllowedPrincipals"])),
            )

    def prefix_lists(self, peers: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """Return the entries of the lists that rules let in, and the lists whose entries cannot be had."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - not needed where no rule names a list

        known: dict[str, tuple[str, ...]] = {}
        untold = []
        for list_id in sorted(peer for peer in peers if peer.startswith("pl-")):
            try:
                pages = self.ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=list_id)
                known[list_id] = tuple(entry["Cidr"] for page in pages for entry in page["Entries"])
            except ClientError:
                untold.append(list_id)
        return known, untold


_KINDS: Any = {
    "vpc_endpoint": "endpoint",
    "network_load_balancer": "balancer",
    "load_balancer": "balancer",
    "ec2_instance_connect_endpoint": "entrance",
}


def _balancers(elbv2: Any, vpc_id: str) -> Iterator[Balancer]:
    pages = elbv2.get_paginator("describe_load_balancers").paginate()
    for one in (one for page in pages for one in page["LoadBalancers"]):
        if one["VpcId"] == vpc_id:
            yield Balancer(
                id=one["LoadBalancerArn"],
                name=one["LoadBalancerName"],
                internet_facing=one["Scheme"] != "internal",
            )


def _table_of(tables: list[dict[str, Any]], subnet_id: str) -> dict[str, Any]:
    """Return the route table of a subnet: its own, or the VPC's main one."""
    for table in tables:
        if any(one.get("SubnetId") == subnet_id for one in table["Associations"]):
            return table
    return next((table for table in tables if any(one.get("Main") for one in table["Associations"])), {"Routes": []})


def _routes(table: dict[str, Any]) -> Iterator[Route]:
    for route in table["Routes"]:
        target = _first(route, ROUTE_TARGETS)
        if target != LOCAL:
            yield Route(destination=_first(route, DESTINATIONS), target=target)


def _acl_of(acls: list[dict[str, Any]], subnet_id: str) -> tuple[AclEntry, ...] | None:
    for acl in acls:
        if not any(one["SubnetId"] == subnet_id for one in acl["Associations"]):
            continue
        return None if acl["IsDefault"] else tuple(_entry(one) for one in acl["Entries"] if not one["Egress"])
    return None


def _entry(entry: dict[str, Any]) -> AclEntry:
    ports = entry.get("PortRange", {})
    return AclEntry(
        number=entry["RuleNumber"],
        allow=entry["RuleAction"] == "allow",
        protocol=str(entry["Protocol"]),
        first=ports.get("From", 0),
        last=ports.get("To", 65535),
        cidr=entry.get("CidrBlock") or entry.get("Ipv6CidrBlock", ""),
    )


def _rules(permissions: list[dict[str, Any]], owner: str, *, inbound: bool) -> Iterator[Rule]:
    for one in permissions:
        peers = (
            *(item["CidrIp"] for item in one.get("IpRanges", ())),
            *(item["CidrIpv6"] for item in one.get("Ipv6Ranges", ())),
            *(item["PrefixListId"] for item in one.get("PrefixListIds", ())),
            *(item["GroupId"] for item in one.get("UserIdGroupPairs", ())),
        )
        protocol = PROTOCOLS.get(str(one["IpProtocol"]), str(one["IpProtocol"]))
        first, last = ANY_PORT if protocol == "-1" else (one.get("FromPort", -1), one.get("ToPort", -1))
        for peer in peers:
            yield Rule(inbound=inbound, protocol=protocol, first=first, last=last, peer=peer, owner=owner)


def _public_addresses(card: dict[str, Any]) -> Iterator[str]:
    addresses = {(card.get("Association") or {}).get("PublicIp", "")}
    addresses |= {(one.get("Association") or {}).get("PublicIp", "") for one in card.get("PrivateIpAddresses", ())}
    addresses |= {one["Ipv6Address"] for one in card.get("Ipv6Addresses", ())}
    return iter(sorted(addresses - {"", None}))


def _tags(thing: dict[str, Any]) -> dict[str, str]:
    tags = thing.get("Tags") or thing.get("TagSet") or ()
    return {tag["Key"]: tag["Value"] for tag in tags}


def _name(thing: dict[str, Any]) -> str:
    tags = _tags(thing)
    return tags.get(RESOURCE_TAG) or tags.get("Name", "")


def _first(values: dict[str, Any], names: Iterable[str]) -> str:
    return next((str(values[name]) for name in names if values.get(name)), "")
