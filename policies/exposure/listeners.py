"""Where programs listen, as rendered files and command lines say; what nobody says is taken for every address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planner.plan import Plan, Port, Service
from planner.spanning import part_of
from policies.engine import option
from policies.exposure.network import Listener, Machine
from policies.files import Files, UnreadableError
from policies.readers import GATEWAY, STATIC, table
from policies.values import at

PROXY, GATE, HERE = "traefik", "gateway", "this machine"
ADDRESSES = ("--web.listen-address", "--listen", "--host", "--bind")
"""Options by which programs of a stack are told where to listen."""
ENTRY_POINT, OWN = "websecure", {"http": "listen", "admin": "admin_listen"}
"""Traefik's published entry point; the gateway's settings by the names of its ports."""


def listeners_of(plan: Plan, files: Mapping[str, str]) -> tuple[Listener, ...]:
    """Return what listens on nodes: every port of the plan, and every entry point and socket that a file adds.

    Args:
        plan: whose services they are. Where it names hosts, each runs its part, and what differs between them is told.
        files: as rendered for one node, or of each host as `machines_of` takes them.

    """
    if not plan.hosts:
        return _on_one(plan, files)
    found: dict[object, Listener] = {}
    for host in plan.hosts:
        for one in _on_one(part_of(plan, host), _files_of(host.name, files)):
            found.setdefault((one.service, one.port, one.address, one.allowed), one)
    return tuple(found.values())


def machines_of(plan: Plan, files: Mapping[str, str]) -> tuple[Machine, ...]:
    """Return the machines that no account knows, each with what listens there; none where nodes run the services.

    Args:
        plan: whose services they are.
        files: as rendered, or as read; of hosts, each path begins with the host's name and a colon.

    """
    if plan.target == "sandbox":
        return (Machine(name=HERE, listeners=_on_one(plan, files)),)
    if plan.target == "aws":
        return ()
    return tuple(
        Machine(name=host.name, listeners=_on_one(part_of(plan, host), _files_of(host.name, files)))
        for host in plan.hosts
    )


def _files_of(host: str, files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if path.startswith(f"{host}:")}


def _on_one(plan: Plan, files: Mapping[str, str]) -> tuple[Listener, ...]:
    """Return what listens on one machine."""
    read, sockets = Files(files), tuple(_sockets(files))
    planned = [_planned(service, port, read) for service in plan.services for port in service.ports]
    handed = {one.port for one in sockets}  # what systemd opens and hands over, the program does not open
    known = {(one.port, one.address) for one in planned}
    added = [one for one in _entry_points(read) if (one.port, one.address) not in known]
    return tuple(dict.fromkeys((*(one for one in (*planned, *added) if one.port not in handed), *sockets)))


def _planned(service: Service, port: Port, files: Files) -> Listener:
    said_by, text = f"command line of {service.name}", ""
    if service.name == PROXY:
        name = port.handed_as or (ENTRY_POINT if port.binding == "published" else port.name)
        said_by = files.find(STATIC) or STATIC
        text = str(at(_entries(files), name, "address") or "")
    elif service.name == GATE:
        said_by = files.find(GATEWAY) or GATEWAY
        text = str(at(_content(files, GATEWAY, Files.toml), OWN.get(port.name, port.name)) or "")
    else:
        said = next((found for name in ADDRESSES if (found := option(service.args, name)) is not None), "")
        text = said if ":" in said else f"{said}:{port.number}"
    return Listener(service=service.name, port=port.number, address=_host(text), said_by=said_by)


def _entry_points(files: Files) -> Iterator[Listener]:
    for entry in _entries(files).values():
        text = str(at(entry, "address") or "")
        number = text.removesuffix("/tcp").removesuffix("/udp").rpartition(":")[2]
        if number.isdecimal():
            yield Listener(service=PROXY, port=int(number), address=_host(text), said_by=files.find(STATIC) or STATIC)


def _sockets(files: Mapping[str, str]) -> Iterator[Listener]:
    """Yield what systemd listens on and hands over, with the networks whose packets it lets through."""
    for path, text in files.items():
        if not path.endswith(".socket"):
            continue
        said = [(key.strip(), value.strip()) for key, _, value in (line.partition("=") for line in text.splitlines())]
        service = path.rpartition("/")[2].removesuffix(".socket").removeprefix("cloister-").partition("-")[0]
        allowed = tuple(value for key, value in said if key == "IPAddressAllow" and value != "localhost")
        shut = ("IPAddressDeny", "any") in said
        for key, value in said:
            number = value.rpartition(":")[2]  # a number alone is every address (systemd.socket(5))
            if key in {"ListenStream", "ListenDatagram"} and number.isdecimal():
                yield Listener(
                    service=service,
                    port=int(number),
                    address=_host(value),
                    said_by=path,
                    allowed=allowed if shut else None,
                )


def _entries(files: Files) -> Mapping[str, Any]:
    return table(_content(files, STATIC, Files.yaml), "entryPoints")


def _content(files: Files, name: str, read: Any) -> Any:
    """Return what a file holds; nothing where it is missing or cannot be read: rules about files say so."""
    path = files.find(name)
    try:
        return {} if path is None else read(files, path)
    except UnreadableError:
        return {}


def _host(text: str) -> str:
    """Return the address of `host:port`; empty for every address."""
    host = text.removesuffix("/tcp").removesuffix("/udp").rpartition(":")[0].strip("[]")
    return "" if host in {"*", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
