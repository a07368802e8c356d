"""The machines with the GPUs."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan import NodePlan, Plan
from planner.tags import RESOURCE_TAG, STACK_TAG
from stacks.deadline import SwitchedGroup
from stacks.naming import child_of, lasting_tags, tags_of


@dataclass(frozen=True)
class Machine:
    """What runs."""

    instance_id: pulumi.Input[str]
    private_ip: pulumi.Input[str]
    availability_zone: pulumi.Input[str]
    image_id: pulumi.Input[str]


class Node(pulumi.ComponentResource):
    """One GPU node: no public address, no key pair, tokens for its metadata, an encrypted disk.

    With a deadline it comes from an Auto Scaling group, which is filled only after its switch stands: until then there
    is no machine.
    """

    machine: Machine | None

    def __init__(
        self,
        name: str,
        plan: Plan,
        node: NodePlan,
        *,
        subnet_id: pulumi.Output[str],
        security_group_id: pulumi.Output[str],
        peers_group_id: pulumi.Output[str] | None,
        placement_group: pulumi.Output[str] | None,
        instance_profile_name: pulumi.Output[str],
        key_arn: pulumi.Output[str],
        user_data: str,
    ) -> None:
        super().__init__("cloister:aws:Node", name)
        # Resolved once: the id is recorded, and a newer image does not replace a running node.
        image = aws.ssm.get_parameter_output(name=node.ami_parameter)
        template = aws.ec2.LaunchTemplate(
            f"{name}-template",
            name=f"cloister-{plan.stack}-{name}",
            image_id=image.value,
            instance_type=node.instance_type,
            iam_instance_profile={"name": instance_profile_name},
            metadata_options=_metadata_options(plan),
            block_device_mappings=[_root_volume(node, key_arn)],
            network_interfaces=_interfaces(
                # A group says itself in which subnet its machines are.
                node,
                None if plan.deadline else subnet_id,
                security_group_id,
                peers_group_id,
            ),
            placement={"group_name": placement_group} if placement_group else None,
            monitoring={"enabled": True},
            user_data=b64encode(user_data.encode()).decode() if user_data else None,
            update_default_version=True,
            tags=tags_of(plan, f"{name}-template"),
            tag_specifications=[
                {"resource_type": kind, "tags": lasting_tags(plan, name)}
                for kind in ("instance", "volume", "network-interface")
            ],
            opts=pulumi.ResourceOptions.merge(
                child_of(self, one_at_a_time=True, holds=("networkInterfaces",)),
                pulumi.ResourceOptions(ignore_changes=["imageId"]),
            ),
            **_capacity(node),
            **_switch_on_host(plan),
        )
        if plan.deadline:
            SwitchedGroup(name, plan, node, plan.deadline, template=template, subnet_id=subnet_id, parent=self)
            self.machine = _machine_of(plan, name)
            self.register_outputs({})
            return
        instance = aws.ec2.Instance(
            name,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            tags=tags_of(plan, name),
            opts=child_of(self, one_at_a_time=True),
        )
        self.machine = Machine(
            instance.id, instance.private_ip, instance.availability_zone, template.image_id.apply(str)
        )
        self.register_outputs({"instance_id": instance.id})


class Neighbours(pulumi.ComponentResource):
    """What nodes share that one replica spans: a place close together."""

    placement_group: pulumi.Output[str]

    def __init__(self, name: str, plan: Plan) -> None:
        super().__init__("cloister:aws:Neighbours", name)
        group = aws.ec2.PlacementGroup(
            f"{name}-placement",
            name=f"cloister-{plan.stack}",
            strategy="cluster",
            tags=tags_of(plan, f"{name}-placement"),
            opts=child_of(self, one_at_a_time=True),
        )
        self.placement_group = group.name
        self.register_outputs({"placement_group": self.placement_group})


def _machine_of(plan: Plan, name: str) -> Machine | None:
    """Find what the node's group has started; nothing before that, and nothing where nobody can be asked."""
    mine = {f"tag:{STACK_TAG}": plan.stack, f"tag:{RESOURCE_TAG}": name}
    filters: Any = [{"name": tag, "values": [value]} for tag, value in mine.items()]
    found = aws.ec2.get_instances(filters=filters, instance_state_names=["pending", "running"]).ids
    if not found:
        return None
    one = aws.ec2.get_instance(instance_id=found[0])
    return Machine(one.id, one.private_ip, one.availability_zone, one.ami)


def _switch_on_host(plan: Plan) -> dict[str, Any]:
    """Have a machine with a deadline be gone when it shuts itself down."""
    if plan.deadline is None:
        return {}
    return {"instance_initiated_shutdown_behavior": "terminate"}


def _metadata_options(plan: Plan) -> Any:
    """Ask for a token, and let it travel no further than the machine itself: a proxied request cannot fetch one.

    A machine with a deadline reads it from its tags.
    """
    tags = {"instance_metadata_tags": "enabled"} if plan.deadline else {}
    return {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1, **tags}


def _root_volume(node: NodePlan, key_arn: pulumi.Output[str]) -> Any:
    return {
        "device_name": "/dev/sda1",
        "ebs": {
            "encrypted": "true",
            "kms_key_id": key_arn,
            "volume_type": "gp3",
            "volume_size": node.root_volume_gib,
            "delete_on_termination": "true",
        },
    }


def _interfaces(
    node: NodePlan,
    subnet_id: pulumi.Output[str] | None,
    security_group_id: pulumi.Output[str],
    peers_group_id: pulumi.Output[str] | None,
) -> Any:
    """Return the interfaces as the plan lists them, each with its subnet and groups (EC2 wants them per interface).

    What EFA carries is for the node's peers alone. A public address is refused in so many words where that can be said:
    EC2 takes no word of it beside a second interface, and gives none then.
    """
    only = {"associate_public_ip_address": "false"} if len(node.interfaces) == 1 else {}
    peers = [peers_group_id] if peers_group_id else []
    return [
        {
            "device_index": interface.device_index,
            "network_card_index": interface.network_card_index,
            "interface_type": interface.kind,
            **({"subnet_id": subnet_id} if subnet_id else {}),
            "security_groups": peers if interface.kind == "efa-only" else [security_group_id, *peers],
            **only,
            "delete_on_termination": "true",
        }
        for interface in node.interfaces
    ]


def _capacity(node: NodePlan) -> dict[str, Any]:
    """Name the reservation or block that the node is launched into; nothing for capacity on demand."""
    if node.capacity == "on-demand":
        return {}
    if node.capacity == "spot":
        once = {"spot_instance_type": "one-time", "instance_interruption_behavior": "terminate"}
        return {"instance_market_options": {"market_type": "spot", "spot_options": once}}
    specification = {
        "capacity_reservation_preference": "capacity-reservations-only",
        "capacity_reservation_target": {"capacity_reservation_id": node.reservation_id},
    }
    if node.capacity == "capacity-block":
        # A block must be named both as a market and as a target (EC2 user guide, Capacity Blocks).
        return {
            "capacity_reservation_specification": {
                "capacity_reservation_target": specification["capacity_reservation_target"]
            },
            "instance_market_options": {"market_type": "capacity-block"},
        }
    return {"capacity_reservation_specification": specification}
