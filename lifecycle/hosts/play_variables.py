"""What the playbooks are told of a stack and of its hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from lifecycle.hosts.facts import Facts
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import Arrival
from lifecycle.hosts.log_shipping import log_shipping_ways_out
from lifecycle.hosts.playbook import FOLDER
from planner.plan import HostPlan, Plan
from planner.spanning import PEER_PORTS, peers_of

OF_A_NAMESPACE = ("net.ipv4.", "net.ipv6.")
"""Kernel settings that a machine has for itself even where it shares its kernel."""
NTP = ("udp", 123)
SSH_PER_SECOND = 10
"""New connections to SSH from one address: more than Ansible makes, too few to keep the server from others."""
SHARED_KERNEL = "systemd-nspawn"
"""A booted container: its firewall is its own, auditing and most of the kernel's settings are its host's."""


def firewall_variables(plan: Plan, name: str, inventory: Inventory, arrivals: Mapping[str, Arrival]) -> dict[str, Any]:
    """Return what the firewall of one host lets through.

    Args:
        plan: says who may reach the endpoint, and which hosts compute together.
        name: of the host.
        inventory: says who may reach SSH, and what hosts may reach.
        arrivals: by host; where we come from is let in where the inventory says nothing.

    """
    ours = sorted({_range(arrival.ours) for arrival in arrivals.values()})
    ssh = list(inventory.ssh_from) or ours
    rules = [
        {"name": "SSH", "protocol": "tcp", "port": port, "networks": ssh, "per_second": SSH_PER_SECOND}
        for port in sorted({arrival.port for arrival in arrivals.values()})
    ]
    planned = next((host for host in plan.hosts if host.name == name), None)
    if planned is None or planned.rank == 0:
        rules.append(
            {
                "name": "endpoint",
                "protocol": "tcp",
                "port": plan.network.gateway_port,
                "networks": list(plan.network.client_cidrs),
            }
        )
    peers = list(_peer_rules(plan, planned)) if planned else []
    ways_out = [
        {"name": way.name, "protocol": way.protocol, "port": way.port, "networks": list(way.networks)}
        for way in inventory.out
    ]
    ways_out += log_shipping_ways_out(plan.logs.shipping)
    ways_out += [
        {"name": service.name, "protocol": "tcp", "port": server.port, "networks": [server.address]}
        for service in plan.services
        for server in service.reaches
    ]
    return {"firewall_in": [*rules, *peers], "firewall_out": [*ways_out, *peers]}


def _peer_rules(plan: Plan, host: HostPlan) -> Iterator[dict[str, Any]]:
    """Yield what nodes of a replica say to each other, the same in both directions."""
    if networks := [_range(address) for address in peers_of(plan, host)]:
        for ports in PEER_PORTS:
            rule = {"name": ports.name, "protocol": "tcp", "port": ports.first, "networks": networks}
            yield {**rule, "last_port": ports.last} if ports.last > ports.first else rule


def host_variables(host: Host, facts: Facts, inventory: Inventory) -> dict[str, Any]:
    """Return what `prepare` is told of one host, and of the time servers that the firewall lets it reach."""
    variables: dict[str, Any] = {
        "ssh_root_login": "prohibit-password" if host.user == "root" else "no",
        "base_time_servers": list(_time_servers(inventory)),
    }
    if facts.virtualization == SHARED_KERNEL:
        wanted = _defaults("base")["base_sysctl"].items()
        variables["base_sysctl"] = {name: value for name, value in wanted if name.startswith(OF_A_NAMESPACE)}
        variables["audit_started"] = False
    return variables


def _time_servers(inventory: Inventory) -> Iterator[str]:
    """Yield the single addresses that hosts may ask for the time; a larger range names no server."""
    for way in inventory.out:
        if (way.protocol, way.port) == NTP:
            networks = [ipaddress.ip_network(network) for network in way.networks]
            yield from (str(one.network_address) for one in networks if one.num_addresses == 1)


def _range(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _defaults(role: str) -> dict[str, Any]:
    path = FOLDER / "roles" / role / "defaults" / "main.yml"
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values
