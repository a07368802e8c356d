"""The graph: from the internet, from networks nobody named, from the named ones and from IAM, to every listening port.

A private stack keeps four barriers between the internet and a port, any one of which would do: no gateway, no route to
one, no public address, and no rule that admits it. The proof asks for all four: a stack that is left with three is one
slip away from being open, and the slip should be found while it is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from planner.networks import is_private, parse, within
from policies.exposure.exposure import Breach, Edge, Exposure, Guard, Of, Path, Source
from policies.exposure.network import (
    AclEntry,
    Card,
    Gateway,
    Group,
    Listener,
    Machine,
    Network,
    Route,
    Rule,
    Subnet,
)

SSH = 22
TO_THE_INTERNET = ("internet", "nat", "egress-only", "carrier", "unknown")
INTERNET = "the internet"


def prove(network: Network, *, of: Of, stack: str) -> Exposure:
    """Follow every path, and judge every barrier."""
    graph = _Graph(network)
    paths = tuple(graph.paths())
    breaches = tuple(dict.fromkeys(graph.breaches()))
    outside = [path for path in paths if path.open and path.kind in {"internet", "unnamed"}]
    return Exposure(
        ok=not breaches and not outside and not (network.unknown and of == "account"),
        of=of,
        stack=stack,
        named=network.named,
        paths=paths,
        breaches=breaches,
        unknown=network.unknown,
    )


class _Graph:
    """A network with its records at hand by id."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.subnets = {subnet.id: subnet for subnet in network.subnets}
        self.groups = {group.id: group for group in network.groups}
        self.gateways = {gateway.id: gateway for gateway in network.gateways}
        self.named = tuple(found for found in map(parse, network.named) if found is not None)

    # Paths.

    def paths(self) -> Iterator[Path]:
        """Return every path, card by card and port by port."""
        for card in self.network.cards:
            for first, last in sorted(self._ports(card)):
                yield self._from_the_internet(card, first, last)
                yield from self._from_unnamed(card, first, last)
                yield from self._from_neighbours(card, first, last)
                yield from self._from_named(card, first, last)
                yield from self._from_entrances(card, first, last)
                yield from self._from_the_host(card.name, first, last, self._listening(card, first, last))
        for machine in self.network.machines:
            for listener in machine.listeners:
                yield from self._to_machine(machine, listener)

    def _ports(self, card: Card) -> set[tuple[int, int]]:
        """Return what listens, and whatever else a rule lets in: nobody can promise that nothing listens there."""
        served = {self.network.port, SSH, *(one.port for one in self.network.listeners)}
        listening = {"node": {(port, port) for port in served}, "endpoint": {(443, 443)}}
        ports = set(listening.get(card.kind, ()))
        for rule in self._rules(card):
            if not any(first <= rule.first and rule.last <= last for first, last in ports):
                ports.add((rule.first, rule.last))
        return ports

    def _from_the_internet(self, card: Card, first: int, last: int) -> Path:
        subnet = self.subnets.get(card.subnet)
        gateways = [gateway.id for gateway in self.network.gateways if gateway.kind in {"internet", "carrier"}]
        routes = [route for route in self._routes(subnet) if self._leads_to_the_internet(route)]
        admitting = [rule for rule in self._rules(card) if _covers(rule, first, last) and self._admits_the_world(rule)]
        place = subnet.name if subnet else card.subnet
        return _path(
            "internet",
            INTERNET,
            card.name,
            _span(first, last),
            (
                _edge(INTERNET, "the VPC", "gateway", gateways, "no gateway is attached"),
                _edge("the VPC", place, "route", [route.target for route in routes], "no route leads there and back"),
                _edge(place, card.name, "address", card.public_addresses, "the card has no public address"),
                *self._acl(subnet, card, "0.0.0.0/0", first, last),
                _edge(card.name, _span(first, last), "group", _owners(admitting), "no rule admits it"),
                *self._listener(card, first, last),
            ),
        )

    def _from_unnamed(self, card: Card, first: int, last: int) -> Iterator[Path]:
        """Return the paths through peerings and the like, from networks that nobody named."""
        subnet = self.subnets.get(card.subnet)
        admitting = [rule for rule in self._rules(card) if _covers(rule, first, last) and self._admits_unnamed(rule)]
        for gateway in self.network.gateways:
            if gateway.kind not in {"peering", "transit", "vpn"} or self._all_named(gateway):
                continue
            source = f"networks behind {gateway.id}"
            routes = [route.destination for route in self._routes(subnet) if route.target == gateway.id]
            yield _path(
                "unnamed",
                source,
                card.name,
                _span(first, last),
                (
                    _edge(source, "the VPC", "route", routes, f"no route leads to {gateway.id}"),
                    _edge(card.name, _span(first, last), "group", _owners(admitting), "no rule admits them"),
                    *self._listener(card, first, last),
                ),
            )

    def _from_neighbours(self, card: Card, first: int, last: int) -> Iterator[Path]:
        """Return the paths from other machines of the subnets: none of the stack's own, and in none of its groups."""
        for subnet in self.network.subnets:
            if not subnet.cidr:
                continue
            source = f"other machines in {subnet.name}, {subnet.cidr}"
            admitting = [
                rule for rule in self._rules(card) if _covers(rule, first, last) and self._meets(rule, subnet.cidr)
            ]
            yield _path(
                "neighbour",
                source,
                card.name,
                _span(first, last),
                (
                    _edge(source, card.name, "group", _owners(admitting), "no rule admits them"),
                    *self._listener(card, first, last),
                ),
            )

    def _from_the_host(self, name: str, first: int, last: int, listening: tuple[Listener, ...]) -> Iterator[Path]:
        """Return the path from programs of the machine itself: no packet of theirs meets a barrier of the network."""
        if listening:
            why = ", ".join(f"{one.service} on {one.address or 'every address'} ({one.said_by})" for one in listening)
            edge = Edge(origin="the machine", to=_span(first, last), guard="listener", open=True, why=why)
            yield _path("host", f"programs on {name} itself", name, _span(first, last), (edge,))

    def _to_machine(self, machine: Machine, listener: Listener) -> Iterator[Path]:
        """Return the paths to a machine that no account knows: nothing is promised of the networks around it."""
        port, name = f"port {listener.port}", f"{listener.service} on {listener.address or 'every address'}"
        beyond = [name] if listener.beyond else []
        step = _edge(machine.name, port, "listener", beyond, f"{listener.service} listens on loopback alone")
        allowed = listener.allowed
        world = ["every network"] if allowed is None else [one for one in allowed if not self._is_private_or_named(one)]
        sieve = _edge(INTERNET, machine.name, "filter", world, "systemd lets private and named networks alone through")
        yield _path("internet", INTERNET, machine.name, port, (sieve, step) if beyond else (step,))
        for cidr in self.network.named:
            met = ["every network"] if allowed is None else [one for one in allowed if _overlap(one, cidr)]
            named = _edge(cidr, machine.name, "filter", met, "systemd lets none of it through")
            yield _path("named", cidr, machine.name, port, (named, step) if beyond else (step,))
        yield from self._from_the_host(machine.name, listener.port, listener.port, (listener,))

    def _is_private_or_named(self, cidr: str) -> bool:
        return is_private(cidr) or within(cidr, self.named)

    def _listener(self, card: Card, first: int, last: int) -> Iterator[Edge]:
        """Return the step to the program, where files say what listens: to loopback no packet comes from outside."""
        if listening := self._listening(card, first, last):
            openings = [f"{one.service} on {one.address or 'every address'}" for one in listening if one.beyond]
            names = " and ".join(one.service for one in listening)
            otherwise = f"{names} listens on loopback alone"
            yield _edge(card.name, _span(first, last), "listener", openings, otherwise)

    def _listening(self, card: Card, first: int, last: int) -> tuple[Listener, ...]:
        at = self.network.listeners if card.kind == "node" and first == last else ()
        return tuple(one for one in at if one.port == first)

    def _from_named(self, card: Card, first: int, last: int) -> Iterator[Path]:
        subnet = self.subnets.get(card.subnet)
        for cidr in self.network.named:
            admitting = [rule for rule in self._rules(card) if _covers(rule, first, last) and self._meets(rule, cidr)]
            yield _path(
                "named",
                cidr,
                card.name,
                _span(first, last),
                (
                    *self._acl(subnet, card, cidr, first, last),
                    _edge(cidr, f"{card.name} {_span(first, last)}", "group", _owners(admitting), "no rule admits it"),
                    *self._listener(card, first, last),
                ),
            )

    def _from_entrances(self, card: Card, first: int, last: int) -> Iterator[Path]:
        """Return the paths through AWS's API: whoever IAM lets open a tunnel stands where the entrance does."""
        for entrance in self.network.entrances:
            inward = [rule for rule in self._rules(card) if _covers(rule, first, last) and rule.peer in entrance.groups]
            outward = [
                rule
                for group in self._known(entrance.groups)
                for rule in group.rules
                if not rule.inbound and _covers(rule, first, last) and rule.peer in card.groups
            ]
            passes = _owners(inward) if outward else ()
            if not passes:
                continue
            asks = "ec2-instance-connect:OpenTunnel and ec2-instance-connect:SendSSHPublicKey"
            yield _path(
                "iam",
                "whoever IAM lets in, from anywhere",
                card.name,
                _span(first, last),
                (
                    Edge(origin=INTERNET, to=entrance.id, guard="iam", open=True, why=f"IAM alone: {asks}"),
                    _edge(entrance.id, card.name, "group", passes, "no rule admits it"),
                ),
            )

    def _acl(self, subnet: Subnet | None, card: Card, cidr: str, first: int, last: int) -> Iterator[Edge]:
        """Return the step past a network ACL, where there is one that says anything."""
        if subnet is None or subnet.acl is None:
            return
        stopped = all(_stopped(subnet.acl, cidr, port) for port in {first, last})
        why = "no entry allows it" if stopped else "its entries let it pass"
        yield Edge(origin=cidr, to=card.name, guard="acl", open=not stopped, why=why)

    # Barriers.

    def breaches(self) -> Iterator[Breach]:
        """Return every barrier that does not stand, whether or not another still does."""
        for gateway in self.network.gateways:
            yield from self._gateway(gateway)
        for subnet in self.network.subnets:
            yield from self._subnet(subnet)
        for card in self.network.cards:
            for address in card.public_addresses:
                remedy = "Release the address, or take it from the card."
                yield Breach(guard="address", resource=card.id, why=f"{card.name} has {address}", remedy=remedy)
        for group in self.network.groups:
            for rule in group.rules:
                if rule.inbound and (why := self._objection(rule)):
                    place = rule.owner or group.id
                    yield Breach(guard="group", resource=place, why=why, remedy="Revoke the rule.")
        yield from self._balancers()

    def _gateway(self, gateway: Gateway) -> Iterator[Breach]:
        if gateway.kind in TO_THE_INTERNET:
            why = f"a way to the internet: {gateway.kind} gateway"
            yield Breach(guard="gateway", resource=gateway.id, why=why, remedy="Detach it and delete it.")

    def _subnet(self, subnet: Subnet) -> Iterator[Breach]:
        if subnet.public_addresses:
            why = f"{subnet.name} gives public addresses to what is put there"
            yield Breach(guard="address", resource=subnet.id, why=why, remedy="Turn that off.")
        for route in subnet.routes:
            if self._leads_to_the_internet(route):
                why = f"{subnet.name} routes {route.destination} to {route.target}, which leads to the internet"
            elif self._leads_to_unnamed(route):
                why = f"{subnet.name} routes {route.destination} to {route.target}: a network that nobody named"
            else:
                continue
            yield Breach(guard="route", resource=subnet.id, why=why, remedy="Delete the route.")

    def _balancers(self) -> Iterator[Breach]:
        for balancer in self.network.balancers:
            if balancer.internet_facing:
                why = f"{balancer.name} faces the internet"
                yield Breach(guard="balancer", resource=balancer.id, why=why, remedy="Make it internal.")
        for service in self.network.services:
            open_to_all = any(principal in {"*", "arn:aws:iam::*:root"} for principal in service.principals)
            if open_to_all or (service.principals and not service.acceptance_required):
                who = "anybody" if open_to_all else ", ".join(service.principals)
                why = f"{who} may make endpoints of it" + ("" if service.acceptance_required else ", unasked")
                remedy = "Name principals, and require acceptance."
                yield Breach(guard="service", resource=service.id, why=why, remedy=remedy)

    def _objection(self, rule: Rule) -> str:
        """Return what is wrong with a rule that lets somebody in; nothing for the stack's own and the named."""
        ports = _span(rule.first, rule.last)
        if rule.peer.startswith("sg-") or rule.peer in self.groups:
            return (
                "" if rule.peer in self.network.own_groups else f"{rule.peer}, no group of the stack, may reach {ports}"
            )
        if self._admits_the_world(rule):
            return f"{rule.peer} may reach {ports}: that is more than private networks"
        if self._admits_unnamed(rule):
            return f"{rule.peer} may reach {ports}, and is not within the named networks"
        if (rule.first, rule.last) != (self.network.port, self.network.port) or rule.protocol not in {"tcp", "6"}:
            return (
                f"{rule.peer} may reach {rule.protocol} {ports}: clients need the gateway's {self.network.port} alone"
            )
        return ""

    # Questions.

    def _routes(self, subnet: Subnet | None) -> tuple[Route, ...]:
        return subnet.routes if subnet else ()

    def _known(self, group_ids: Iterable[str]) -> Iterator[Group]:
        return (self.groups[group_id] for group_id in group_ids if group_id in self.groups)

    def _rules(self, card: Card) -> list[Rule]:
        """Return what lets traffic in to a card."""
        return [rule for group in self._known(card.groups) for rule in group.rules if rule.inbound]

    def _cidrs(self, rule: Rule) -> tuple[str, ...] | None:
        """Return the networks that a rule names; None where nobody can tell."""
        if rule.peer.startswith("pl-") or rule.peer in self.network.prefix_lists:
            return self.network.prefix_lists.get(rule.peer)
        return () if rule.peer.startswith("sg-") or rule.peer in self.groups else (rule.peer,)

    def _admits_the_world(self, rule: Rule) -> bool:
        cidrs = self._cidrs(rule)
        if cidrs is None:  # of a list that the plan names, the account knows the entries, and says so when it is asked
            return rule.peer not in self.network.named_lists
        return any(not is_private(cidr) and not within(cidr, self.named) for cidr in cidrs)

    def _admits_unnamed(self, rule: Rule) -> bool:
        if rule.peer in self.network.named_lists:
            return False
        cidrs = self._cidrs(rule)
        return cidrs is None or any(not within(cidr, self.named) for cidr in cidrs)

    def _meets(self, rule: Rule, cidr: str) -> bool:
        """Tell whether a rule names any of a network's addresses."""
        named = ip_network(cidr, strict=False)
        found = [parse(one) for one in self._cidrs(rule) or ()]
        return any(one is not None and one.version == named.version and one.overlaps(named) for one in found)

    def _all_named(self, gateway: Gateway) -> bool:
        return bool(gateway.networks) and all(within(cidr, self.named) for cidr in gateway.networks)

    def _leads_to_the_internet(self, route: Route) -> bool:
        if route.target in self.network.passages:
            return False
        gateway = self.gateways.get(route.target)
        if gateway is None or gateway.kind in TO_THE_INTERNET:
            return True  # what is not known is not proven
        return not is_private(route.destination) and not within(route.destination, self.named)

    def _leads_to_unnamed(self, route: Route) -> bool:
        gateway = self.gateways.get(route.target)
        return gateway is not None and not within(route.destination, self.named)


def _path(kind: Source, source: str, target: str, port: str, edges: tuple[Edge, ...]) -> Path:
    return Path(kind=kind, source=source, target=target, port=port, edges=edges, open=all(edge.open for edge in edges))


def _edge(origin: str, to: str, guard: Guard, openings: Iterable[str], otherwise: str) -> Edge:
    """Return a step that is open by what opens it, and closed where nothing does."""
    found = ", ".join(openings)
    return Edge(origin=origin, to=to, guard=guard, open=bool(found), why=found or otherwise)


def _overlap(one: str, other: str) -> bool:
    first, second = parse(one), parse(other)
    return first is not None and second is not None and first.version == second.version and first.overlaps(second)


def _owners(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(rule.owner or rule.peer for rule in rules)


def _span(first: int, last: int) -> str:
    if (first, last) in {(-1, -1), (0, 65535)}:
        return "every port"
    return f"port {first}" if first == last else f"ports {first}-{last}"


def _covers(rule: Rule, first: int, last: int) -> bool:
    """Tell whether a rule has anything to say about any of the ports."""
    return rule.protocol == "-1" or rule.first == -1 or (rule.first <= last and first <= rule.last)


def _stopped(entries: tuple[AclEntry, ...], cidr: str, port: int) -> bool:
    """Tell whether an ACL stops all of a network at a port: the first entry that fits decides (VPC user guide).

    An entry that allows a part of the network lets that part pass; one that denies a part stops no other.
    """
    whole = ip_network(cidr, strict=False)
    for entry in sorted(entries, key=lambda one: one.number):
        there = parse(entry.cidr)
        if there is None or there.version != whole.version or not there.overlaps(whole):
            continue
        if entry.protocol not in {"-1", "6"} or (entry.protocol != "-1" and not entry.first <= port <= entry.last):
            continue
        if entry.allow:
            return False
        if there.prefixlen <= whole.prefixlen:
            return True
    return True
