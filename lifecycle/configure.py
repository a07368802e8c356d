"""From nodes that run to an endpoint that answers: nodes are hosts like others, which a tunnel leads to.

Their bundle is on their disks by then, or on its way: they fetch it themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lifecycle.access import NodeAccess
from lifecycle.aws.errors import told
from lifecycle.aws.secrets import host_secrets, put_host_secrets
from lifecycle.aws.session import AwsSession
from lifecycle.hosts.bringing import Bringing
from lifecycle.hosts.inventory import Inventory, WayOut
from lifecycle.hosts.kept import KeptHosts
from lifecycle.hosts.pulled import wait_for_bundle
from lifecycle.hosts.session import HostSession
from lifecycle.journal import Journal
from lifecycle.served_hosts import keep_nodes
from lifecycle.stack import Stack
from lifecycle.up import prepare_secrets
from planner.capacity import Drain
from planner.errors import DeployError
from planner.node_network import node_reaches
from planner.outputs import Outputs
from planner.plan import HostPlan, Plan
from planner.progress import Progress

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def lacking(plan: Plan) -> str:
    """Say why nodes of a plan would run without services; empty where they would not. Said before anything is paid."""
    if not plan.bundle.id:
        return "the profile names no bundle (`bundle.id`), so nodes have nothing to run: there will be no endpoint"
    return ""


def configure_nodes(stack: Stack, outputs: Outputs, progress: Progress, drain: Drain | None = None) -> tuple[str, ...]:
    """Install and start the services, wait until the endpoint answers, and return the names of its models.

    Args:
        stack: of the target `aws`.
        outputs: the stack as it exists.
        progress: is told of every step.
        drain: when nodes in a Capacity Block are left.

    Raises:
        DeployError: nodes have nothing to run, are not reached, their bundle does not arrive, or a service fails.

    """
    if why := lacking(stack.plan):
        raise _not_configured(stack.plan, outputs, why)
    session, journal = AwsSession(stack.plan.network.region), Journal(stack.home.journal, "up")
    there = Stack(stack.home, with_hosts(stack.plan, outputs), progress)
    access = NodeAccess.of(stack, progress)
    with progress.step("secrets and certificates"), journal.step("secrets and certificates"):
        prepare_secrets(there, None)
        put_host_secrets(session.client("secretsmanager"), there.plan, host_secrets(there.plan, there.layout))
    inventory = msgspec.structs.replace(access.inventory, out=_ways_out(session.client("ec2"), outputs))
    kept = KeptHosts(inventory=inventory, key="", owner=stack.plan.stack, plans=there.plan.hosts)
    keep_nodes(stack.home, kept)
    with (
        access.login(inventory.serving, as_files=True) as login,
        HostSession.open(stack.home, kept, "up", progress, login) as hosts,
    ):
        return _bring(Bringing(hosts, there, journal), inventory, drain)


def with_hosts(plan: Plan, outputs: Outputs) -> Plan:
    """Return the plan with its nodes as hosts, now that their addresses are known.

    Raises:
        DeployError: one of a replica's nodes is not there, without which none of the others can compute.

    """
    planned = {node.name: (rank, node) for rank, node in enumerate(plan.nodes)}
    if plan.followers and (missing := sorted(planned.keys() - {node.name for node in outputs.nodes})):
        raise _not_configured(plan, outputs, f"{', '.join(missing)} of its one replica is not there")
    hosts = []
    for there in outputs.nodes:
        rank, node = planned[there.name]
        rank = rank if plan.followers else 0
        hosts.append(HostPlan(name=there.name, address=there.private_ip, gpus=node.gpus, rank=rank))
    return msgspec.structs.replace(plan, hosts=tuple(sorted(hosts, key=lambda host: host.rank)))


def _bring(bringing: Bringing, inventory: Inventory, drain: Drain | None) -> tuple[str, ...]:
    plan, facts = bringing.stack.plan, bringing.look()
    with bringing.progress.step("bundle"), bringing.journal.step("bundle"):
        for one in bringing.session.hosts:
            wait_for_bundle(one.connection, plan.bundle, bringing.progress)
    with bringing.session.changing():
        with bringing.progress.step("programs"), bringing.journal.step("programs"):
            bringing.install(plan.bundle.id, f"{plan.bundle.store}/bundles")
        bringing.prepare(facts, inventory, from_bundle=True)
        bringing.accept()
        bringing.serve(facts, drain)
    return bringing.answers()


def _ways_out(ec2: EC2Client, outputs: Outputs) -> tuple[WayOut, ...]:
    """Ask the account for the ranges that nodes reach."""
    region = ec2.meta.region_name
    with told("ec2:DescribeVpcs", region):
        (vpc,) = ec2.describe_vpcs(VpcIds=[outputs.vpc_id])["Vpcs"]
    with told("ec2:DescribePrefixLists", region):
        name = f"com.amazonaws.{region}.s3"
        lists = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [name]}])["PrefixLists"]
    network = tuple(block["CidrBlock"] for block in vpc["CidrBlockAssociationSet"])
    storage = tuple(cidr for one in lists for cidr in one["Cidrs"])
    return tuple(msgspec.convert(one, WayOut, from_attributes=True) for one in node_reaches(network, storage))


def _not_configured(plan: Plan, outputs: Outputs, why: str) -> DeployError:
    nodes = ", ".join(f"{node.name} ({node.instance_id}, {node.private_ip})" for node in outputs.nodes)
    price = plan.cost.usd_per_hour
    billed = "at a price that nobody knows" if price is None else f"for {price:,.2f} USD per hour"
    return DeployError(
        f"the nodes of {plan.stack!r} run, {billed}, but no service is configured on them: {why}",
        hint=f"`deploy bundle make` and `deploy bundle push` bring what nodes run; `deploy down --stack {plan.stack}` "
        "takes everything away.",
        code="not_configured",
        details=(
            ("made", f"{outputs.vpc_id} in {plan.network.region}, account {plan.account.number}"),
            ("nodes", nodes),
            ("not yet", ", ".join(service.name for service in plan.services)),
        ),
    )
