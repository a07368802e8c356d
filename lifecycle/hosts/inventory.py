"""The hosts that a person names: a TOML file, or `user@address` on the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from planner.errors import UsageError
from planner.profile import Cidr
from planner.toml_faults import fault_of
from planner.toml_lines import line_of

MOST_JUMPS = 4
"""Longest chain of jump hosts: longer ones are a circle, or beyond anybody's patience."""
HINT = "Nothing was changed. A host needs `name`, `address` and `user`; `docs/hosts.md` has every field."

Address = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$")]
User = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Role = Literal["serve", "jump"]


class InventoryError(UsageError):
    """An inventory does not parse or contradicts itself; the message names file, line and field."""

    code = "inventory_invalid"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what stands in the file: frozen, and a misspelt field is an error."""


class Host(Record, frozen=True, kw_only=True):
    """`[[host]]`: one machine."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
    """What it is called here and in every report."""
    address: Address
    """Where SSH finds it, as seen from its jump host if it has one: a name or an IP address."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 22
    """Of its SSH server."""
    user: User
    """Who logs in: root, or a user with sudo."""
    jump: str = ""
    """Name of the host of this file through which it is reached; directly when empty."""
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)] = ("serve",)
    """`serve`: runs the stack. `jump`: only leads to others, and is left as it is, but for the key that `deploy rotate
    ssh-key` replaces there too."""
    host_key: Annotated[str, Meta(pattern=r"^((ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*)?$")] = ""
    """Its public host key, as `/etc/ssh/ssh_host_ed25519_key.pub` begins; asked about at first contact when empty."""
    gpu: str = ""
    """A row of the catalogue's `gpus.toml` that must be in it; whatever is found when empty."""
    gpus: Annotated[int, Meta(ge=0, le=64)] | None = None
    """How many GPUs must be in it; whatever is found when absent."""
    endpoint: Annotated[str, Meta(pattern=r"^[0-9a-fA-F.:]*$")] = ""
    """IP address of the host on which clients reach the endpoint; the one on which SSH arrives when empty."""


class WayOut(Record, frozen=True, kw_only=True):
    """`[[out]]`: what hosts may reach besides what answers them; everything else is refused."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")]
    """Why; stands beside the rule."""
    protocol: Literal["tcp", "udp"]
    """What is spoken."""
    port: Annotated[int, Meta(ge=1, le=65535)]
    """There."""
    networks: Annotated[tuple[Cidr, ...], Meta(min_length=1)]
    """Where to, as ranges; a single address ends in `/32` or `/128`. One for `udp` port 123 becomes a time server."""


class Inventory(Record, frozen=True, kw_only=True):
    """All hosts of a file, in its order."""

    host: Annotated[tuple[Host, ...], Meta(min_length=1)]
    """The machines."""
    ssh_from: tuple[Cidr, ...] = ()
    """Networks that may reach the hosts' SSH servers; the address that `deploy up` comes from when empty."""
    out: tuple[WayOut, ...] = ()
    """What hosts may reach, for example time servers. Nothing when empty."""

    def named(self, name: str) -> Host:
        """Return the host of that name.

        Raises:
            KeyError: there is none.

        """
        for host in self.host:
            if host.name == name:
                return host
        raise KeyError(name)

    def way_to(self, host: Host) -> tuple[Host, ...]:
        """Return the hosts on the way, from the first jump host to the host itself."""
        way = [host]
        while way[0].jump:
            way.insert(0, self.named(way[0].jump))
        return tuple(way)

    def serving_only(self, names: Collection[str]) -> Inventory:
        """Return the inventory with only some hosts that run the stack; the others lead there at most."""
        hosts = (host if host.name in names else msgspec.structs.replace(host, roles=("jump",)) for host in self.host)
        return msgspec.structs.replace(self, host=tuple(hosts))

    @property
    def serving(self) -> tuple[Host, ...]:
        """The hosts that run the stack."""
        return tuple(host for host in self.host if "serve" in host.roles)


def parse_inventory(text: str, origin: str) -> Inventory:
    """Read an inventory.

    Args:
        text: its TOML.
        origin: the file, as errors shall name it.

    Raises:
        InventoryError: broken TOML, an unknown or missing field, a value out of range, a name twice, or a jump host
            that is missing or leads in a circle.

    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InventoryError(f"{origin}: not TOML: {error}", hint=HINT) from None
    try:
        inventory = msgspec.convert(values, Inventory)
    except msgspec.ValidationError as error:
        fault = fault_of(error, Inventory)
        raise _error(text, origin, fault.path, fault.what) from None
    _check_names(inventory, text, origin)
    return inventory


def host_from_words(words: str) -> Host:
    """Return the host that `user@address` or `user@address:port` names; an IPv6 address stands in brackets.

    Raises:
        InventoryError: the words name no host.

    """
    match = re.fullmatch(r"(?P<user>[^@]+)@(?:\[(?P<v6>[^\]]+)\]|(?P<address>[^:]+))(?::(?P<port>[0-9]{1,5}))?", words)
    if match is None:
        raise InventoryError(
            f"--host {words!r} names no host", hint="Write user@address, user@address:port or user@[2001:db8::1]:port."
        )
    address = match["v6"] or match["address"]
    name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")[:40].strip("-")
    values = {"name": name, "address": address, "user": match["user"], "port": int(match["port"] or 22)}
    try:
        return msgspec.convert(values, Host)
    except msgspec.ValidationError as error:
        fault = fault_of(error, Host)
        raise InventoryError(
            f"--host {words!r}: {'.'.join(fault.path)}: {fault.what}", hint="Write user@address or user@address:port."
        ) from None


def _check_names(inventory: Inventory, text: str, origin: str) -> None:
    names = [host.name for host in inventory.host]
    for number, host in enumerate(inventory.host):
        place = ("host", str(number))
        if host.name in names[:number]:
            raise _error(text, origin, (*place, "name"), f"another host is called {host.name} already")
        if host.jump and host.jump not in names:
            raise _error(text, origin, (*place, "jump"), f"no host of this file is called {host.jump}")
        if _jumps(inventory, host) > MOST_JUMPS:
            raise _error(text, origin, (*place, "jump"), "its jump hosts lead in a circle, or too far")
    if not inventory.serving:
        raise _error(text, origin, ("host",), "no host has the role `serve`")


def _jumps(inventory: Inventory, host: Host) -> int:
    count = 0
    while host.jump and count <= MOST_JUMPS:
        count += 1
        found = next((other for other in inventory.host if other.name == host.jump), None)
        if found is None:
            break
        host = found
    return count


def _error(text: str, origin: str, path: tuple[str, ...], what: str) -> InventoryError:
    line = line_of(text, path)
    place = f"{origin}:{line}" if line is not None else origin
    return InventoryError(f"{place}: `{'.'.join(path) or '(inventory)'}`: {what}", hint=HINT)
