"""The components, in reading order, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pulumi

from planner.outputs import Outputs
from planner.plan import GivenNetworkPlan, Plan
from stacks.access import Access
from stacks.account import Account, current_account
from stacks.client_lists import read_client_lists
from stacks.cost_alarm import CostAlarm
from stacks.endpoints import GatewayEndpoints, InterfaceEndpoints
from stacks.given_network import GivenNetwork
from stacks.identity import Identity
from stacks.joined_networks import JoinedNetworks
from stacks.keys import Keys
from stacks.logs import HostLogs
from stacks.network import Network
from stacks.nodes import Neighbours, Node
from stacks.private_link import PrivateLink
from stacks.private_name import PrivateName
from stacks.secrets import Secrets
from stacks.security_groups import SecurityGroups
from stacks.storage import Storage


def deploy(plan: Plan) -> None:
    """Register everything that the plan names, and export `planner.outputs.Outputs`."""
    account = current_account(plan)
    read_client_lists(plan)
    if plan.alarm:
        CostAlarm("cost-alarm", plan, plan.alarm)
    keys = Keys("keys", plan, account)
    storage = Storage("storage", plan, account, keys.arn)
    given = plan.network.given
    network, groups = _given_network(plan, given) if given else _own_network(plan, account, keys.arn)
    HostLogs("logs", plan, keys.arn)
    Secrets("secrets", plan, keys.arn)
    identity = Identity("identity", plan, account, keys.arn)
    access = Access("access", plan, next(iter(network.subnet_ids.values())), groups.entrance_id)
    joined = any(node.placement_group for node in plan.nodes)
    neighbours = Neighbours("neighbours", plan) if joined else None
    nodes = [
        Node(
            node.name,
            plan,
            node,
            subnet_id=network.subnet_ids[node.subnet],
            security_group_id=groups.node_id,
            peers_group_id=groups.peers_id if node.placement_group else None,
            placement_group=neighbours.placement_group if neighbours and node.placement_group else None,
            instance_profile_name=identity.instance_profile_name,
            key_arn=keys.arn,
        )
        for node in plan.nodes
    ]
    # What clients reach runs on the first node; others only compute.
    addresses = [node.machine.private_ip for node in nodes[:1] if node.machine]
    if plan.private_name and addresses:
        PrivateName("private-name", plan, plan.private_name, vpc_id=network.vpc_id, addresses=addresses)
    link = _private_link(plan, network, groups, nodes)
    pulumi.export("vpc_id", network.vpc_id)
    pulumi.export("private_subnet_ids", list(network.subnet_ids.values()))
    pulumi.export("node_security_group_id", groups.node_id)
    pulumi.export("kms_key_arn", keys.arn)
    pulumi.export("bundle_bucket", storage.bucket_name)
    pulumi.export("endpoint_service_name", link.service_name if link else "")
    pulumi.export("instance_connect_endpoint_id", access.endpoint_id)
    pulumi.export(
        "nodes",
        [
            {
                "name": planned.name,
                "instance_id": node.machine.instance_id,
                "private_ip": node.machine.private_ip,
                "availability_zone": node.machine.availability_zone,
                "image_id": node.machine.image_id,
            }
            for planned, node in zip(plan.nodes, nodes, strict=True)
            if node.machine
        ],
    )


def _private_link(
    plan: Plan, network: Network | GivenNetwork, groups: SecurityGroups, nodes: list[Node]
) -> PrivateLink | None:
    if plan.consumers.private_link is None or groups.balancer_id is None:
        return None
    return PrivateLink(
        "private-link",
        plan,
        plan.consumers.private_link,
        vpc_id=network.vpc_id,
        subnet_ids=[*network.subnet_ids.values()],
        security_group_id=groups.balancer_id,
        # What clients reach runs on the first node.
        instance_ids=[node.machine.instance_id for node in nodes[:1] if node.machine],
    )


def _own_network(plan: Plan, account: Account, key_arn: pulumi.Output[str]) -> tuple[Network, SecurityGroups]:
    network = Network("network", plan, account, key_arn)
    if plan.consumers.joined:
        JoinedNetworks(
            "joined",
            plan,
            vpc_id=network.vpc_id,
            subnet_ids=[*network.subnet_ids.values()],
            route_table_ids=network.route_table_ids,
        )
    gateways = GatewayEndpoints("gateway-endpoints", plan, account, network.vpc_id, network.route_table_ids)
    groups = SecurityGroups("groups", plan, network.vpc_id, gateways.s3_prefix_list_id)
    InterfaceEndpoints(
        "endpoints",
        plan,
        account,
        key_arn=key_arn,
        vpc_id=network.vpc_id,
        subnet_ids=network.subnet_ids.values(),
        security_group_id=groups.endpoints_id,
    )
    return network, groups


def _given_network(plan: Plan, given: GivenNetworkPlan) -> tuple[GivenNetwork, SecurityGroups]:
    network = GivenNetwork(plan, given)
    return network, SecurityGroups("groups", plan, network.vpc_id, network.s3_prefix_list_id)


def parse_outputs(exported: Mapping[str, Any]) -> Outputs:
    """Return the exports as a record.

    Raises:
        msgspec.ValidationError: something that was promised is missing.

    """
    return msgspec.convert(exported, Outputs)
