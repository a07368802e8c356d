"""Route tables, what they are associated with, and single routes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource
from sandbox.handlers.resource import Change, Record, Resource, Target, tag_outputs
from sandbox.handlers.waiting import code_of, is_gone, remove_when_free

_DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_TARGETS = {
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
_INLINE_NAMES = {"cidrBlock": "destinationCidrBlock", "ipv6CidrBlock": "destinationIpv6CidrBlock"}
"""How a route table's own `routes` name what a single route calls otherwise."""


def _arguments(names: dict[str, str], properties: Properties) -> dict[str, Any]:
    return {api_name: properties[name] for name, api_name in names.items() if properties.get(name)}


def _inline(inputs: Properties) -> list[Properties]:
    """Return a route table's own routes, under the names of a single route."""
    return [
        {_INLINE_NAMES.get(name, name): value for name, value in route.items()} for route in inputs.get("routes") or []
    ]


def _add(ec2: Any, table_id: str, route: Properties) -> None:
    """Make a route, or point the one that is there at its target."""
    arguments = {**_arguments(_DESTINATIONS, route), **_arguments(_TARGETS, route)}
    try:
        ec2.create_route(RouteTableId=table_id, **arguments)
    except ClientError as error:
        if code_of(error) != "RouteAlreadyExists":
            raise
        ec2.replace_route(RouteTableId=table_id, **arguments)


def _drop(ec2: Any, table_id: str, route: Properties) -> None:
    try:
        ec2.delete_route(RouteTableId=table_id, **_arguments(_DESTINATIONS, route))
    except ClientError as error:
        if not is_gone(error):
            raise


class RouteTable(Ec2Resource):
    """`aws:ec2/routeTable:RouteTable`."""

    type = "aws:ec2/routeTable:RouteTable"
    fixed = frozenset({"vpcId"})
    in_place = frozenset({"routes", "tags"})
    required = frozenset({"vpcId"})
    unordered = frozenset({"routes"})
    kind = "route-table"
    describe_call, records_key = "describe_route_tables", "RouteTables"
    ids_argument, id_key = "RouteTableIds", "RouteTableId"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the route table."""
        made = clients.client("ec2").create_route_table(VpcId=inputs["vpcId"], **self.tagged(inputs))
        return str(made["RouteTable"]["RouteTableId"])

    def complete(self, target: Target) -> None:
        """Make the table's own routes."""
        for route in _inline(target.inputs):
            _add(target.ec2, target.id, route)

    def change(self, change: Change) -> None:
        """Drop the routes that are no longer wanted, then make the others."""
        if "routes" not in change.names:
            return
        wanted = [_arguments(_DESTINATIONS, route) for route in _inline(change.inputs)]
        for route in _inline(change.old):
            if _arguments(_DESTINATIONS, route) not in wanted:
                _drop(change.ec2, change.id, route)
        self.complete(change)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "vpcId": record["VpcId"],
            "ownerId": record["OwnerId"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the table once nothing is associated with it."""
        remove_when_free(lambda: target.ec2.delete_route_table(RouteTableId=target.id), target.id)


class RouteTableAssociation(Resource):
    """`aws:ec2/routeTableAssociation:RouteTableAssociation`. Which table it is with is part of its id."""

    type = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    fixed = frozenset({"routeTableId", "subnetId", "gatewayId"})
    required = frozenset({"routeTableId"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Associate."""
        ends = _arguments({"subnetId": "SubnetId", "gatewayId": "GatewayId"}, inputs)
        made = clients.client("ec2").associate_route_table(RouteTableId=inputs["routeTableId"], **ends)
        return str(made["AssociationId"])

    @staticmethod
    def _associations(clients: Clients, name: str, value: str) -> list[Record]:
        tables = clients.client("ec2").describe_route_tables(Filters=[{"Name": name, "Values": [value]}])["RouteTables"]
        return [association for table in tables for association in table["Associations"]]

    def describe(self, target: Target) -> Record | None:
        """Return the association; None when it is gone."""
        found = self._associations(target.clients, "association.route-table-association-id", target.id)
        return next((one for one in found if one["RouteTableAssociationId"] == target.id), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the table's associations; a subnet has one with the same table at most."""
        for one in self._associations(clients, "route-table-id", inputs["routeTableId"]):
            same_ends = one.get("SubnetId") == inputs.get("subnetId") and one.get("GatewayId") == inputs.get(
                "gatewayId"
            )
            if not one["Main"] and same_ends:
                yield str(one["RouteTableAssociationId"]), one

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        ends = {"subnetId": record.get("SubnetId"), "gatewayId": record.get("GatewayId")}
        present = {name: value for name, value in ends.items() if value}
        return {"routeTableId": record["RouteTableId"], **present}

    def remove(self, target: Target) -> None:
        """Disassociate."""
        remove_when_free(lambda: target.ec2.disassociate_route_table(AssociationId=target.id), target.id)


class Route(Resource):
    """`aws:ec2/route:Route`."""

    type = "aws:ec2/route:Route"
    fixed = frozenset({"routeTableId", *_DESTINATIONS})
    in_place = frozenset(_TARGETS)
    required = frozenset({"routeTableId"})

    @staticmethod
    def _id(inputs: Properties) -> str:
        """Return the provider's id for a route: its table and the checksum of its destination."""
        destination = next(iter(_arguments(_DESTINATIONS, inputs).values()))
        return f"r-{inputs['routeTableId']}{zlib.crc32(destination.encode())}"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the route."""
        clients.client("ec2").create_route(
            RouteTableId=inputs["routeTableId"], **_arguments(_DESTINATIONS, inputs), **_arguments(_TARGETS, inputs)
        )
        return self._id(inputs)

    def describe(self, target: Target) -> Record | None:
        """Return the route to the same destination; None when there is none."""
        try:
            tables = target.ec2.describe_route_tables(RouteTableIds=[target.inputs["routeTableId"]])["RouteTables"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        wanted = _arguments(_DESTINATIONS, target.inputs)
        return next((one for one in tables[0]["Routes"] if wanted.items() <= one.items()), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the route to the same destination, if it leads to the same target."""
        target = Target(clients, self._id(inputs), inputs)
        record = self.describe(target)
        if record is not None and _arguments(_TARGETS, inputs).items() <= record.items():
            yield target.id, record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        names = {**_DESTINATIONS, **_TARGETS}
        ends = {name: record[api_name] for name, api_name in names.items() if record.get(api_name)}
        return {"state": record.get("State", "active"), "origin": record.get("Origin", "CreateRoute"), **ends}

    def change(self, change: Change) -> None:
        """Point the route at its new target."""
        arguments = {**_arguments(_DESTINATIONS, change.inputs), **_arguments(_TARGETS, change.inputs)}
        change.ec2.replace_route(RouteTableId=change.inputs["routeTableId"], **arguments)

    def remove(self, target: Target) -> None:
        """Delete the route."""
        _drop(target.ec2, target.inputs["routeTableId"], target.inputs)
