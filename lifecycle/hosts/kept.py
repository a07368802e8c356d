"""The hosts of a stack, kept with it, so that every verb finds them again."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from lifecycle.home import StackHome
from lifecycle.hosts.facts import read_facts
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.ssh import Confirm, Connection, Login, connect
from planner.errors import DeployError
from planner.plan import HostPlan


class KeptHosts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack on hosts is.

    Attributes:
        inventory: as it was given last.
        key: file of the private key that logs in; the user's own when empty.
        owner: what the hosts know the stack by; no other stack has it.
        plans: what the plan knows of each host, as it was found at first contact.

    """

    inventory: Inventory
    key: str
    owner: str
    plans: tuple[HostPlan, ...]
    bundle: str = ""
    """Folder here of the bundle that hosts install from; empty where somebody else has brought one there."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Between which addresses an SSH connection is, as the host sees it."""

    ours: str
    theirs: str
    port: int
    """Of its SSH server, there."""


def nobody(host: Host, shown: str) -> bool:
    """Confirm no host key: the verb has nobody to ask."""
    del host, shown
    return False


def login_of(home: StackHome, key: str, confirm: Confirm = nobody) -> Login:
    """Return how to log in on a stack's hosts: with the keys that were pinned."""
    pins, key_file = Pins(home.home.known_hosts), Path(key) if key else None
    return Login(pins=pins, confirm=confirm, key_file=key_file, sudo=home.sudo)


def settle(home: StackHome, inventory: Inventory, key: str, confirm: Confirm, before: KeptHosts | None) -> KeptHosts:
    """Look at hosts that are to carry a stack, for what its plan must know of them; nothing is changed.

    Args:
        home: the stack, which may not exist yet.
        inventory: the hosts.
        key: file of the private key that logs in; the user's own when empty.
        confirm: is asked about host keys that nobody knows yet.
        before: what the stack had; the same hosts are not looked at again.

    Raises:
        DeployError: a host is not reached, or its key is not confirmed.

    """
    if before and (before.inventory, before.key) == (inventory, key):
        return before
    login = login_of(home, key, confirm)
    return KeptHosts(
        inventory=inventory,
        key=key,
        owner=before.owner if before else f"{home.name}-{secrets.token_hex(6)}",
        plans=tuple(_plan(inventory.way_to(host), login) for host in inventory.serving),
    )


def _plan(way: tuple[Host, ...], login: Login) -> HostPlan:
    host = way[-1]
    with connect(way, login) as connection:
        address = host.endpoint or arrival(connection).theirs
        gpus = len(read_facts(connection).gpus) if host.gpus is None else host.gpus
    return HostPlan(name=host.name, address=address, gpus=gpus)


def arrival(connection: Connection) -> Arrival:
    """Ask a host where we come from, and where we arrived.

    Raises:
        DeployError: it does not say.

    """
    ran = connection.run('echo "$SSH_CONNECTION"')
    try:
        ours, _, theirs, port = ran.stdout.split()
        return Arrival(ours=_plain(ours), theirs=_plain(theirs), port=int(port))
    except ValueError:
        raise DeployError(
            f"{connection.host.name}: it does not say on which address SSH arrives ({ran.stdout.strip()!r})",
            hint="Its login must be a POSIX shell of an OpenSSH server.",
            code="facts_unreadable",
        ) from None


def _plain(address: str) -> str:
    """Return an address without the zone, and an IPv4 address as one."""
    return address.partition("%")[0].removeprefix("::ffff:")
