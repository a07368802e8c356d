"""Route 53: private zones, and records in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free

_KEPT = {"NS", "SOA"}
"""Records that a zone always has."""


def _dotted(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


class Zone(Resource):
    """`aws:route53/zone:Zone`, private. CreateHostedZone takes one VPC and no tags: the rest follows."""

    type = "aws:route53/zone:Zone"
    fixed = frozenset({"name"})
    in_place = frozenset({"comment", "forceDestroy", "tags", "vpcs"})
    required = frozenset({"name", "vpcs"})
    unordered = frozenset({"vpcs"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the zone with its first VPC."""
        made = clients.client("route53").create_hosted_zone(
            Name=inputs["name"],
            VPC=_vpcs(clients, inputs)[0],
            CallerReference=str(uuid.uuid4()),
            HostedZoneConfig={"Comment": inputs.get("comment") or "", "PrivateZone": True},
        )
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def complete(self, target: Target) -> None:
        """Add the other VPCs and the tags."""
        record = self.describe(target)
        self._associate(target, (record or {}).get("VPCs", []))
        if target.inputs.get("tags"):
            _tag(target, add=target.inputs["tags"])

    def _associate(self, target: Target, now: list[dict[str, str]]) -> None:
        """Bring the zone to the VPCs that are wanted: first add, as a private zone always has one."""
        route53, wanted = target.clients.client("route53"), _vpcs(target.clients, target.inputs)
        for vpc in wanted:
            if vpc not in now:
                route53.associate_vpc_with_hosted_zone(HostedZoneId=target.id, VPC=vpc)
        for vpc in now:
            if vpc not in wanted:
                route53.disassociate_vpc_from_hosted_zone(HostedZoneId=target.id, VPC=vpc)

    def change(self, change: Change) -> None:
        """Change who sees the zone, and its comment."""
        if "vpcs" in change.names:
            self._associate(change, (self.describe(change) or {}).get("VPCs", []))
        if "comment" in change.names:
            comment = change.inputs.get("comment") or ""
            change.clients.client("route53").update_hosted_zone_comment(Id=change.id, Comment=comment)

    def retag(self, change: Change) -> None:
        """Change the tags."""
        old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
        _tag(change, add=new, drop=[key for key in old if key not in new])

    def describe(self, target: Target) -> Record | None:
        """Return the zone and its VPCs; None when it is gone."""
        try:
            found = target.clients.client("route53").get_hosted_zone(Id=target.id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {**found["HostedZone"], "VPCs": found.get("VPCs", [])}

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return private zones of that name: `fits` tells whose they are."""
        answer = clients.client("route53").list_hosted_zones_by_name(DNSName=_dotted(inputs["name"]))
        for zone in answer["HostedZones"]:
            zone_id = str(zone["Id"]).rpartition("/")[2]
            record = self.describe(Target(clients, zone_id, inputs))
            if record is not None and record["Name"] == _dotted(inputs["name"]) and record["Config"]["PrivateZone"]:
                yield zone_id, record

    def fits(self, inputs: Properties, record: Record) -> bool:
        """Tell a zone by its comment and its VPC, which came with the call that made it; tags did not."""
        first = inputs["vpcs"][0]["vpcId"]
        comment = record["Config"].get("Comment") or ""
        return comment == (inputs.get("comment") or "") and first in [vpc["VPCId"] for vpc in record["VPCs"]]

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        tags = target.clients.client("route53").list_tags_for_resource(ResourceType="hostedzone", ResourceId=target.id)
        return {
            "name": record["Name"].removesuffix("."),
            "zoneId": target.id,
            "comment": record["Config"].get("Comment") or "",
            "vpcs": [{"vpcId": vpc["VPCId"], "vpcRegion": vpc["VPCRegion"]} for vpc in record["VPCs"]],
            **tag_outputs(tags["ResourceTagSet"]["Tags"]),
        }

    def remove(self, target: Target) -> None:
        """Delete the zone, and first its records if the inputs say so (`forceDestroy`)."""
        route53 = target.clients.client("route53")
        if self.describe(target) is None:
            return
        if target.inputs.get("forceDestroy"):
            pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=target.id)
            records = [one for page in pages for one in page["ResourceRecordSets"] if one["Type"] not in _KEPT]
            for record in records:
                _change(route53, target.id, "DELETE", record)
        remove_when_free(lambda: route53.delete_hosted_zone(Id=target.id), target.id)


def _vpcs(clients: Clients, inputs: Properties) -> list[dict[str, str]]:
    return [{"VPCRegion": one.get("vpcRegion") or clients.region, "VPCId": one["vpcId"]} for one in inputs["vpcs"]]


def _tag(target: Target, add: dict[str, str], drop: list[str] | None = None) -> None:
    arguments: dict[str, Any] = {"AddTags": tag_list(add)} if add else {}
    if drop:
        arguments["RemoveTagKeys"] = drop
    if arguments:
        route53 = target.clients.client("route53")
        route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=target.id, **arguments)


def _change(route53: Any, zone_id: str, action: str, record: dict[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


class DnsRecord(Resource):
    """`aws:route53/record:Record`. Its id is made of zone, name and type, as the provider's is."""

    type = "aws:route53/record:Record"
    fixed = frozenset({"name", "type", "zoneId"})
    in_place = frozenset({"records", "ttl"})
    required = frozenset({"name", "records", "ttl", "type", "zoneId"})
    unordered = frozenset({"records"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Write the record, whether or not it is there."""
        _change(clients.client("route53"), inputs["zoneId"], "UPSERT", _record_set(inputs))
        return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}"

    def change(self, change: Change) -> None:
        """Write the record as it is wanted now."""
        self.make(change.clients, change.inputs)

    def describe(self, target: Target) -> Record | None:
        """Return the record; None when it, or its zone, is gone."""
        zone_id, name, kind = target.id.split("_", 1)[0], *target.id.split("_", 1)[1].rsplit("_", 1)
        start = {"StartRecordName": _dotted(name), "StartRecordType": kind, "MaxItems": "1"}
        try:
            answer = target.clients.client("route53").list_resource_record_sets(HostedZoneId=zone_id, **start)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        for record in answer["ResourceRecordSets"]:
            if (record["Name"], record["Type"]) == (_dotted(name), kind):
                found: Record = {**record, "ZoneId": zone_id}
                return found
        return None

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the record of that name in the zone."""
        record_id = f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}"
        record = self.describe(Target(clients, record_id, inputs))
        if record is not None:
            yield record_id, record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "fqdn": record["Name"].removesuffix("."),
            "name": record["Name"].removesuffix("."),
            "type": record["Type"],
            "ttl": record["TTL"],
            "records": [one["Value"] for one in record["ResourceRecords"]],
            "zoneId": record["ZoneId"],
        }

    def remove(self, target: Target) -> None:
        """Delete the record as it is now: Route 53 wants it told in full."""
        record = self.describe(target)
        if record is not None:
            known = {name: value for name, value in record.items() if name != "ZoneId"}
            _change(target.clients.client("route53"), record["ZoneId"], "DELETE", known)


def _record_set(inputs: Properties) -> dict[str, Any]:
    return {
        "Name": inputs["name"],
        "Type": inputs["type"],
        "TTL": inputs["ttl"],
        "ResourceRecords": [{"Value": value} for value in inputs["records"]],
    }
