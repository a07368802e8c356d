"""Data sources: what a program may ask the account before it makes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from planner.partitions import partition_of
from sandbox.handlers import instance_invokes, network_invokes
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.names import to_api
from sandbox.handlers.resource import tag_outputs

Invoke = Callable[[Clients, Properties], Properties]
"""Answers a data source: arguments in, results out, both under the provider's names."""


def _parameter(clients: Clients, arguments: Properties) -> Properties:
    decrypt = arguments.get("withDecryption", True)
    found = clients.client("ssm").get_parameter(Name=arguments["name"], WithDecryption=decrypt)["Parameter"]
    return {
        "arn": found["ARN"],
        "id": found["Name"],
        "name": found["Name"],
        "region": clients.region,
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": "" if found["Type"] == "SecureString" else found["Value"],
        "version": found["Version"],
        "withDecryption": decrypt,
    }


def _filters(arguments: Properties) -> dict[str, Any]:
    filters = arguments.get("filters")
    return {"Filters": to_api(filters)} if filters else {}


def _instance_type_offerings(clients: Clients, arguments: Properties) -> Properties:
    kind = arguments.get("locationType") or "region"
    pages = clients.client("ec2").get_paginator("describe_instance_type_offerings")
    offerings = [
        offering
        for page in pages.paginate(LocationType=kind, **_filters(arguments))
        for offering in page["InstanceTypeOfferings"]
    ]
    return {
        "id": clients.region,
        "region": clients.region,
        "filters": arguments.get("filters"),
        "locationType": arguments.get("locationType"),
        "instanceTypes": [offering["InstanceType"] for offering in offerings],
        "locationTypes": [offering["LocationType"] for offering in offerings],
        "locations": [offering["Location"] for offering in offerings],
    }


def _caller_identity(clients: Clients, _arguments: Properties) -> Properties:
    found = clients.client("sts").get_caller_identity()
    return {
        "accountId": found["Account"],
        "arn": found["Arn"],
        "id": found["Account"],
        "userId": found["UserId"],
    }


def _region(clients: Clients, arguments: Properties) -> Properties:
    name = arguments.get("region") or arguments.get("name") or clients.region
    found = clients.client("ec2").describe_regions(RegionNames=[name])["Regions"][0]
    return {
        "id": name,
        "name": name,
        "region": name,
        "endpoint": found["Endpoint"],
        "description": name,
    }


def partition_answer(region: str) -> Properties:
    """Return what is said of the partition that a region lies in."""
    partition = partition_of(region)
    return {
        "id": partition.name,
        "partition": partition.name,
        "dnsSuffix": partition.dns_suffix,
        "reverseDnsPrefix": ".".join(reversed(partition.dns_suffix.split("."))),
    }


def _partition(clients: Clients, _arguments: Properties) -> Properties:
    return partition_answer(clients.region)


def _availability_zones(clients: Clients, arguments: Properties) -> Properties:
    found = clients.client("ec2").describe_availability_zones(**_filters(arguments))["AvailabilityZones"]
    excluded_names, excluded_ids = arguments.get("excludeNames") or [], arguments.get("excludeZoneIds") or []
    state = arguments.get("state")
    zones = [
        zone
        for zone in sorted(found, key=lambda zone: str(zone["ZoneName"]))
        if zone["ZoneName"] not in excluded_names
        and zone["ZoneId"] not in excluded_ids
        and (state is None or zone["State"] == state)
    ]
    return {
        **arguments,
        "id": clients.region,
        "region": clients.region,
        "groupNames": sorted({str(zone.get("GroupName") or clients.region) for zone in zones}),
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
    }


def _prefix_list(clients: Clients, arguments: Properties) -> Properties:
    filters = list(to_api(arguments.get("filters") or []))
    if arguments.get("name"):
        filters.append({"Name": "prefix-list-name", "Values": [arguments["name"]]})
    ids = {"PrefixListIds": [arguments["prefixListId"]]} if arguments.get("prefixListId") else {}
    pages = clients.client("ec2").get_paginator("describe_prefix_lists").paginate(Filters=filters, **ids)
    found = [one for page in pages for one in page["PrefixLists"]]
    if len(found) != 1:
        raise LookupError(f"{len(found)} prefix lists match {arguments}; one must")
    return {
        "id": found[0]["PrefixListId"],
        "name": found[0]["PrefixListName"],
        "prefixListId": found[0]["PrefixListId"],
        "cidrBlocks": found[0]["Cidrs"],
        "region": clients.region,
    }


def _managed_prefix_list(clients: Clients, arguments: Properties) -> Properties:
    ec2, list_id = clients.client("ec2"), arguments["id"]
    found = ec2.describe_managed_prefix_lists(PrefixListIds=[list_id])["PrefixLists"]
    if len(found) != 1:
        raise LookupError(f"{len(found)} managed prefix lists match {arguments}; one must")
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=list_id)
    entries = [entry for page in pages for entry in page["Entries"]]
    return {
        "id": list_id,
        "arn": found[0]["PrefixListArn"],
        "addressFamily": found[0].get("AddressFamily", ""),
        "entries": [{"cidr": entry["Cidr"], "description": entry.get("Description", "")} for entry in entries],
        "maxEntries": found[0].get("MaxEntries", 0),
        "name": found[0]["PrefixListName"],
        "ownerId": found[0].get("OwnerId", ""),
        "region": clients.region,
        "tags": tag_outputs(found[0].get("Tags"))["tags"],
        "version": found[0].get("Version", 0),
    }


INVOKES: Mapping[str, Invoke] = {
    "aws:ec2/getInstance:getInstance": instance_invokes.instance,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _instance_type_offerings,
    "aws:ec2/getInstances:getInstances": instance_invokes.instances,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _managed_prefix_list,
    "aws:ec2/getPrefixList:getPrefixList": _prefix_list,
    "aws:ec2/getRouteTable:getRouteTable": network_invokes.route_table,
    "aws:ec2/getSubnet:getSubnet": network_invokes.subnet,
    "aws:ec2/getVpc:getVpc": network_invokes.vpc,
    "aws:ec2/getVpcEndpoint:getVpcEndpoint": network_invokes.vpc_endpoint,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:ssm/getParameter:getParameter": _parameter,
}
"""Data sources by token. One that is not here is an error, never answered with nothing."""


def invoke(clients: Clients, token: str, arguments: Properties) -> Properties:
    """Answer a data source.

    Raises:
        LookupError: nothing answers this token.
        botocore.exceptions.ClientError: the account refused.

    """
    try:
        answer = INVOKES[token]
    except KeyError:
        known = ", ".join(sorted(INVOKES))
        raise LookupError(f"nothing answers the data source {token!r}; known: {known}") from None
    return answer(clients, arguments)
