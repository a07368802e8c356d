"""Data sources of instances that the program did not launch itself."""

from __future__ import annotations

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.names import to_api
from sandbox.handlers.resource import tag_outputs


def instances(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getInstances` by filters; running ones, unless states are named."""
    states = arguments.get("instanceStateNames") or ["running"]
    filters = [*to_api(arguments.get("filters") or []), {"Name": "instance-state-name", "Values": states}]
    pages = clients.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return {
        "id": clients.region,
        "filters": arguments.get("filters"),
        "ids": [one["InstanceId"] for one in found],
        "instanceStateNames": arguments.get("instanceStateNames"),
        "ipv6Addresses": [],
        "privateIps": [one["PrivateIpAddress"] for one in found],
        "publicIps": [one["PublicIpAddress"] for one in found if one.get("PublicIpAddress")],
        "region": clients.region,
    }


def instance(clients: Clients, arguments: Properties) -> Properties:
    """Answer `getInstance` by id."""
    found = clients.client("ec2").describe_instances(InstanceIds=[arguments["instanceId"]])["Reservations"]
    (one,) = (one for group in found for one in group["Instances"])
    return {
        "id": one["InstanceId"],
        "ami": one["ImageId"],
        "availabilityZone": one["Placement"]["AvailabilityZone"],
        "instanceId": one["InstanceId"],
        "instanceState": one["State"]["Name"],
        "instanceType": one["InstanceType"],
        "privateDns": one["PrivateDnsName"],
        "privateIp": one["PrivateIpAddress"],
        "region": clients.region,
        "subnetId": one["SubnetId"],
        "tags": tag_outputs(one.get("Tags"))["tags"],
    }
