"""`status` and `list`: what runs, and where to reach it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from lifecycle.aws.account import check_account
from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from lifecycle.home import Home, StackHome
from lifecycle.hosts.units import HostStatus, status_of
from lifecycle.journal import last_state
from lifecycle.planning import hosts_of
from lifecycle.processes import ServiceState
from lifecycle.rotation.report import UnderWay
from lifecycle.rotation.under_way import rotations_under_way
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.progress import Silent
from planner.tags import RESOURCE_TAG, STACK_TAG

BILLED = {"pending", "running"}
"""States of an instance that are paid for; one that shuts down or is stopped is not."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where clients go."""

    url: str
    ca_file: str
    models: tuple[str, ...]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node on AWS. `state` is EC2's word, `gone` for one that the account does not have."""

    name: str
    instance_id: str
    state: str
    private_ip: str
    zone: str


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """One stack.

    Attributes:
        state: running, degraded, stopped, unreachable (no host of the target `metal` answers), not-configured (nodes
            run, and no services on them), or interrupted and failed as the last verb left it.
        endpoint: null where none answers yet.
        account: number of the AWS account; empty in the sandbox.
        usd_per_hour: of the nodes that are billed now; null where no price is known.

    """

    stack: str
    profile: str
    target: str
    state: str
    endpoint: Endpoint | None
    services: tuple[ServiceState, ...]
    account: str = ""
    region: str = ""
    nodes: tuple[Node, ...] = ()
    hosts: tuple[HostStatus, ...] = ()
    """Of the target `metal`; `services` are the first host's that is reached."""
    usd_per_hour: float | None = 0.0
    until: datetime | None = None
    """Deadline; None for a stack that stays until it is taken down."""
    rotations: tuple[UnderWay, ...] = ()
    """Certificates, authorities and keys that are being replaced."""


class ListedStack(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `list`."""

    stack: str
    profile: str
    target: str
    state: str
    url: str


def status(home: StackHome) -> StatusReport:
    """Look at one stack.

    Raises:
        DeployError: there is no such stack, or it is on AWS and the credentials are of another account.

    """
    stack = Stack.load(home)
    return msgspec.structs.replace(_status(stack), rotations=rotations_under_way(stack))


def _status(stack: Stack) -> StatusReport:
    if stack.plan.target == "aws":
        return _on_aws(stack)
    if hosts_of(stack.home):
        return _on_hosts(stack)
    services = stack.processes.status()
    return StatusReport(
        stack=stack.home.name,
        profile=stack.plan.profile,
        target=stack.plan.target,
        state=_state(stack, services),
        endpoint=Endpoint(url=stack.url, ca_file=stack.ca_file, models=(stack.plan.model.served_name,)),
        services=services,
        until=stack.plan.deadline.until if stack.plan.deadline else None,
    )


def list_stacks(home: Home) -> tuple[ListedStack, ...]:
    """Look at all stacks; one that cannot be read is listed as broken."""
    return tuple(_listed(stack) for stack in home.stacks())


def _listed(home: StackHome) -> ListedStack:
    try:
        stack = Stack.load(home)
        if (
            stack.plan.target != "sandbox"
        ):  # asked by `status`: a list may hold several accounts, and hosts that are away
            url, left = stack.url if stack.plan.hosts else "", last_state(home.journal)
            return ListedStack(
                stack=home.name, profile=stack.plan.profile, target=stack.plan.target, state=left, url=url
            )
        report = status(home)
    except DeployError:
        return ListedStack(stack=home.name, profile="", target="", state="broken", url="")
    return ListedStack(stack=home.name, profile=report.profile, target=report.target, state=report.state, url=stack.url)


def _of_hosts(stack: Stack) -> tuple[HostStatus, ...]:
    """Ask every host's systemd; none where no host serves the stack yet."""
    with served_hosts(stack, Silent()) as served:
        return status_of(served.stack.plan, served.kept, served.login) if served else ()


def _state_of_hosts(stack: Stack, hosts: tuple[HostStatus, ...]) -> str:
    states = {host.state for host in hosts}
    state = states.pop() if len(states) == 1 else "degraded"
    left = last_state(stack.home.journal)
    return left if state == "running" and left in {"interrupted", "failed"} else state


def _on_hosts(stack: Stack) -> StatusReport:
    """Look at hosts of one's own."""
    hosts = _of_hosts(stack)
    return StatusReport(
        stack=stack.plan.stack,
        profile=stack.plan.profile,
        target=stack.plan.target,
        state=_state_of_hosts(stack, hosts),
        endpoint=Endpoint(url=stack.url, ca_file=stack.ca_file, models=(stack.plan.model.served_name,)),
        services=next((host.services for host in hosts if not host.error), ()),
        hosts=hosts,
        usd_per_hour=None,
    )


def _on_aws(stack: Stack) -> StatusReport:
    """Ask the account for the stack's nodes, and those that run for their services."""
    plan = stack.plan
    session = AwsSession(plan.network.region)
    check_account(session, plan.account.number)
    nodes = _nodes(stack, session)
    billed = sum(node.state in BILLED for node in nodes)
    price = plan.cost.usd_per_hour
    hosts = _of_hosts(stack) if all(node.state == "running" for node in nodes) else ()
    endpoint = Endpoint(url=stack.url, ca_file=stack.ca_file, models=(plan.model.served_name,)) if hosts else None
    return StatusReport(
        stack=plan.stack,
        profile=plan.profile,
        target=plan.target,
        state=_state_of_hosts(stack, hosts) if hosts else _state_of_nodes(stack, nodes),
        endpoint=endpoint,
        services=next((host.services for host in hosts if not host.error), ()),
        hosts=hosts,
        account=plan.account.number,
        region=plan.network.region,
        nodes=nodes,
        usd_per_hour=None if price is None else round(price * billed / len(plan.nodes), 4),
    )


def _nodes(stack: Stack, session: AwsSession) -> tuple[Node, ...]:
    """Return the nodes that the account has under the stack's tag, and those planned that it has not."""
    with told("ec2:DescribeInstances", session.region):
        pages = session.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": f"tag:{STACK_TAG}", "Values": [stack.plan.stack]}]
        )
        there = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    found = [
        Node(
            name=next((tag["Value"] for tag in one["Tags"] if tag["Key"] == RESOURCE_TAG), ""),
            instance_id=one["InstanceId"],
            state=one["State"]["Name"],
            private_ip=one.get("PrivateIpAddress", ""),
            zone=one["Placement"]["AvailabilityZone"],
        )
        for one in there
        if one["State"]["Name"] != "terminated"
    ]
    names = {node.name for node in found}
    missing = (node.name for node in stack.plan.nodes if node.name not in names)
    gone = (Node(name=name, instance_id="", state="gone", private_ip="", zone="") for name in missing)
    return tuple(sorted((*found, *gone), key=lambda node: (node.name, node.instance_id)))


def _state_of_nodes(stack: Stack, nodes: tuple[Node, ...]) -> str:
    running = sum(node.state == "running" for node in nodes)
    if running < len(stack.plan.nodes):
        return "degraded" if running else "stopped"
    left = last_state(stack.home.journal)
    return "interrupted" if left == "interrupted" else "not-configured"


def _state(stack: Stack, services: tuple[ServiceState, ...]) -> str:
    needed = [state for state in services if not stack.plan.service(state.name).optional]
    running = sum(state.state == "RUNNING" for state in needed)
    if running == len(needed):
        left = last_state(stack.home.journal)
        return left if left in {"interrupted", "failed"} else "running"
    return "degraded" if running else "stopped"
