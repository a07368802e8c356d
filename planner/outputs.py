"""What the stacks promise, and everyone downstream may read."""

from __future__ import annotations

import msgspec


class NodeOutputs(msgspec.Struct, frozen=True, kw_only=True):
    """One node as it exists."""

    name: str
    instance_id: str
    private_ip: str
    availability_zone: str
    image_id: str = ""
    """The machine image, resolved when the node was made: a newer one does not replace it."""


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The stack as it exists. A missing output fails here, not inside a template."""

    vpc_id: str
    private_subnet_ids: tuple[str, ...]
    node_security_group_id: str
    kms_key_arn: str
    instance_connect_endpoint_id: str
    bundle_bucket: str
    endpoint_service_name: str = ""
    """By which consumers elsewhere make an endpoint of their own; empty where none is offered."""
    nodes: tuple[NodeOutputs, ...]
