"""One region of the account: moto's EC2 state, and beside it what the layer keeps."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.subnets import Subnet
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX

from sandbox.aws import images
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError

LAYER_PREFIXES = {
    "instance-connect-endpoint": "eice",
    "placement-group": "pg",
    "capacity-reservation": "cr",
    "capacity-block": "cb",
}
"""Resource types of the layer -> prefix of their ids. moto's own table learns them, so that they can be tagged."""

EC2_RESOURCE_TO_PREFIX.update(LAYER_PREFIXES)
EC2_PREFIX_TO_RESOURCE.update({prefix: kind for kind, prefix in LAYER_PREFIXES.items()})

SETTLES_IN = timedelta(milliseconds=100)
"""How long something is in progress. AWS takes minutes; long enough here that whoever does not wait is found out."""

Clock = Callable[[], datetime]
"""Returns the time, aware of its zone."""

T = TypeVar("T")


class Region:
    """State of one region.

    Args:
        name: for example `us-east-2`.
        now: the account's clock.

    """

    def __init__(self, name: str, now: Clock) -> None:
        self.name = name
        self.now = now
        self.ec2: EC2Backend = ec2_backends[ACCOUNT_ID][name]
        self._parts: dict[type, Any] = {}
        images.register(self.ec2)

    def part(self, kind: type[T]) -> T:
        """Return this region's one instance of a store, made empty when first asked for."""
        part: T = self._parts.setdefault(kind, kind())
        return part

    def new_id(self, resource_type: str) -> str:
        """Return a fresh id for one of the layer's resource types."""
        return f"{LAYER_PREFIXES[resource_type]}-0{secrets.token_hex(8)}"

    def arn(self, resource_type: str, resource_id: str) -> str:
        """Return the ARN of an EC2 resource of this region."""
        return f"arn:{self.ec2.partition}:ec2:{self.name}:{ACCOUNT_ID}:{resource_type}/{resource_id}"

    def subnet(self, subnet_id: str) -> Subnet:
        """Return a subnet.

        Raises:
            ServiceException: `InvalidSubnetID.NotFound`.

        """
        return self.ec2.get_subnet(subnet_id)

    def new_interface(self, subnet_id: str, **arguments: Any) -> NetworkInterface:
        """Make a network interface with a free address of a subnet."""
        subnet = self.subnet(subnet_id)
        address = subnet.get_available_subnet_ip(instance=cast("Instance", None))  # moto only notes whose it is
        return self.ec2.create_network_interface(subnet, address, **arguments)

    def drop_interface(self, interface_id: str) -> None:
        """Remove a network interface, its address and its tags; one that is gone is no error."""
        interface = self.ec2.enis.get(interface_id)
        if interface is not None:
            interface.delete()
            self.forget_tags(interface_id)

    def live_instances(self) -> list[Instance]:
        """Return the instances that are not terminated."""
        return [instance for instance in self.ec2.all_instances() if instance.state != "terminated"]

    def offers(self, instance_type: str, zone: str | None = None) -> bool:
        """Tell whether an instance type is offered in the region, or in one of its zones."""
        kind, location = ("availability-zone", zone) if zone else ("region", self.name)
        return bool(
            self.ec2.describe_instance_type_offerings(kind, {"instance-type": [instance_type], "location": [location]})
        )

    def zone_id(self, zone: str) -> str:
        """Return the id of an availability zone, for example `use2-az1`."""
        return next((known.zone_id for known in self.ec2.zones.get(self.name, []) if known.name == zone), "")

    def tags(self, resource_id: str) -> Mapping[str, str]:
        """Return a resource's tags."""
        return self.ec2.tags.get(resource_id, {})

    def tag_list(self, resource_id: str) -> list[dict[str, str]]:
        """Return a resource's tags as EC2 writes them."""
        return [{"Key": key, "Value": value} for key, value in self.tags(resource_id).items()]

    def tag_new(self, resource_id: str, resource_type: str, parameters: Mapping[str, Any]) -> None:
        """Give a new resource the tags of its request's `TagSpecifications`."""
        for specification in parameters.get("TagSpecifications", []):
            kind = specification.get("ResourceType")
            if kind != resource_type:
                raise AwsError(
                    "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation"
                )
            self.ec2.create_tags([resource_id], {tag["Key"]: tag["Value"] for tag in specification.get("Tags", [])})

    def forget_tags(self, resource_id: str) -> None:
        """Drop the tags of a resource that is gone."""
        self.ec2.tags.pop(resource_id, None)
