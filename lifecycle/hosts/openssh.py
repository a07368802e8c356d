"""What OpenSSH is told, for Ansible and for people: our hosts, our pinned keys, and nothing of the user's."""

from __future__ import annotations

from pathlib import Path

from lifecycle import files
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.pins import alias
from lifecycle.hosts.ssh import Login, Reach

CONFIG = "ssh_config"
"""Name of the file in its folder: `ssh -F FOLDER/ssh_config HOST`."""
PROXY_TIMEOUT_S = 40
"""A proxy command first starts, and asks the cloud."""


def write_config(folder: Path, inventory: Inventory, login: Login) -> Path:
    """Write OpenSSH's configuration and its known hosts into a private folder, and return the configuration's path."""
    known, config = [], []
    for host in inventory.host:
        way = inventory.way_to(host)
        if key := login.pins.of(way):
            known.append(f"{alias(way)} {key}\n")
        config.append(_host_lines(host, alias(way), login.reach))
    # Last, for OpenSSH takes the first value that it finds.
    config.append(_EVERY_HOST.format(folder=folder, key=_key_lines(login)))
    files.write(folder / "known_hosts", "".join(known))
    files.write(folder / CONFIG, "".join(config))
    return folder / CONFIG


def own_config(host: Host, key_alias: str, reach: Reach, known_hosts: Path) -> str:
    """Return the lines for one host that fit into a person's own configuration, with the key that it must show."""
    strict = ["StrictHostKeyChecking yes", f'UserKnownHostsFile "{known_hosts}"', "ForwardAgent no"]
    return _host_lines(host, key_alias, reach) + "".join(f"    {line}\n" for line in strict)


_EVERY_HOST = """\
Host *
    StrictHostKeyChecking yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
    UpdateHostKeys no
    BatchMode yes
    ForwardAgent no
    ForwardX11 no
    ConnectTimeout 10
    ServerAliveInterval 15
    ServerAliveCountMax 3
    LogLevel ERROR
{key}"""


def _key_lines(login: Login) -> str:
    return f'    IdentityFile "{login.key_file}"\n    IdentitiesOnly yes\n' if login.key_file else ""


def _host_lines(host: Host, key_alias: str, reach: Reach | None) -> str:
    lines = [
        f"Host {host.name}",
        f"    HostName {host.address}",
        f"    Port {host.port}",
        f"    User {host.user}",
        f"    HostKeyAlias {key_alias}",
    ]
    if host.jump:
        lines.append(f"    ProxyJump {host.jump}")
    elif reach:
        command = reach.proxy_command(host).replace("%", "%%")
        lines += [f"    ProxyCommand {command}", f"    ConnectTimeout {PROXY_TIMEOUT_S}"]
    return "\n".join(lines) + "\n"
