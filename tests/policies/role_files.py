"""The files that roles write on hosts, rendered as Ansible does: they are the roles' own, and no template's of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner.layout import HOST_LAYOUT
from policies.readers import ALERTMANAGER, PROMETHEUS
from templates.render import render
from tests.alerts import told_plan

ROLES = Path(__file__).parents[2] / "ansible" / "roles"
CLIENTS = [
    {"name": "SSH", "protocol": "tcp", "port": 22, "networks": ["10.9.0.1/32", "fd00::1/128"], "per_second": 10},
    {"name": "endpoint", "protocol": "tcp", "port": 443, "networks": ["10.0.0.0/8", "fd00:1::/64"]},
]
WAYS_OUT = [{"name": "names", "protocol": "udp", "port": 53, "networks": ["10.9.0.53/32"]}]


def role_file(role: str, name: str, **variables: Any) -> str:
    """Return what a role's template gives with the role's own defaults."""
    environment = Environment(
        loader=FileSystemLoader(ROLES / role / "templates"),
        trim_blocks=True,  # as Ansible has it
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    environment.tests["search"] = lambda value, pattern: re.search(pattern, value) is not None
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    values = {**defaults, "ansible_managed": "Ansible managed", **variables}
    return environment.get_template(name).render(values)


def host_files() -> dict[str, str]:
    """Return what a host has, where somebody is told of alerts: firewall, SSH server, Prometheus, Alertmanager."""
    told = render(told_plan(), HOST_LAYOUT)
    exchanges = yaml.safe_load((ROLES / "ssh" / "defaults" / "main.yml").read_text())["ssh_key_exchange"]
    return {
        "/etc/cloister/firewall.nft": role_file(
            "firewall", "firewall.nft.j2", firewall_in=CLIENTS, firewall_out=WAYS_OUT
        ),
        "/etc/ssh/sshd_config.d/00-cloister.conf": role_file("ssh", "sshd.conf.j2", __ssh_exchanges=exchanges),
        **{f"/etc/cloister/{name}": told[name] for name in (PROMETHEUS, ALERTMANAGER)},
    }
