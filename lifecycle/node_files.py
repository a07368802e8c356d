"""The files that say what runs on the machines of a stack, before there are any."""

from __future__ import annotations

import msgspec

from lifecycle.hosts.fit import LOWEST_SYSTEMD
from planner.catalogue import load_catalogue
from planner.layout import Layout
from planner.plan import HostPlan, Plan

DOCUMENTATION_ADDRESS = "192.0.2.{}"
"""Addresses of nodes that have none yet, where they must be told apart: of the block for documentation (RFC 5737)."""


def node_files(plan: Plan, layout: Layout) -> dict[str, str]:
    """Return what machines are given, path -> text: of hosts each its own, units and sockets among it.

    Of a plan in AWS whose nodes have no addresses yet, the files of `first_nodes`.

    Args:
        plan: of the stack.
        layout: folders of a stack whose services are processes of this machine.

    """
    plan = first_nodes(plan)
    if not plan.hosts:
        from templates.render import render  # noqa: PLC0415 - Jinja takes longer to load than `size` takes to answer

        return render(plan, layout)
    from templates.hosts import HostAbilities, render_host  # noqa: PLC0415 - as above

    able, catalogue = HostAbilities(systemd=LOWEST_SYSTEMD), load_catalogue()
    placed = ((host.name, file) for host in plan.hosts for file in render_host(plan, catalogue, host, able))
    return {f"{name}:{file.path}": file.text for name, file in placed}


def first_nodes(plan: Plan) -> Plan:
    """Return a plan in AWS with nodes as hosts, before they exist: of one replica all, else one, for all are alike."""
    if plan.target != "aws" or plan.hosts:
        return plan
    nodes = plan.nodes[: 1 + len(plan.followers)]
    hosts = (
        HostPlan(name=node.name, address=DOCUMENTATION_ADDRESS.format(rank + 1), gpus=node.gpus, rank=rank)
        if plan.followers
        else HostPlan(name=node.name, gpus=node.gpus)
        for rank, node in enumerate(nodes)
    )
    return msgspec.structs.replace(plan, hosts=tuple(hosts))
