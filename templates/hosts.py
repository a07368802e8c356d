"""A plan becomes files of a host: units, sandboxed and in order, and the configuration of what they run.

Every service of the plan becomes a unit in the same way. A published port is opened by systemd and handed over, so that
the program behind it needs no right to open it, and listens on loopback alone should it ever be started otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from planner.catalogue import Catalogue
from planner.host_commands import host_command, host_environment
from planner.layout import HOST_LAYOUT, Layout
from planner.plan import HostPlan, Plan, Port, Service
from planner.spanning import MEETING_PORT, head_of, peers_of, services_of
from templates.environment import FOLDER, environment
from templates.render import render
from templates.unit_sandbox import settings

TARGET = "cloister.target"
UNITS = "/etc/systemd/system"
PROGRAMS = "/usr/local/lib/cloister"
USERS = "/etc/sysusers.d/cloister.conf"
STATE_ROOT = "/var/lib/"
"""What `StateDirectory=` is below of."""
WATCHED = ("dynamic/",)
"""Folders of rendered files whose service sees changes by itself."""
STOP_TIMEOUT_S = 45
"""Answers under way are finished: the engine takes 30 s for that, the gateway 20."""
UNHURRIED_S = 30
"""Beside the time that a service has to become healthy: checks before, and what systemd itself takes."""
CONFIGURATION = "CLOISTER_CONFIGURATION"
"""Variable of a running service that says which configuration it was started with."""


class HostAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has and can do.

    Attributes:
        systemd: version of its systemd.
        interface: network interface that has its address; asked for where a replica spans nodes alone.

    """

    systemd: int
    interface: str = ""

    @property
    def encrypts_credentials(self) -> bool:
        """`LoadCredentialEncrypted=` came with 250."""
        return self.systemd >= 250

    @property
    def grows_pauses(self) -> bool:
        """`RestartSteps=` came with 254."""
        return self.systemd >= 254


class HostFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it shall be on a host.

    Attributes:
        path: absolute.
        services: names of those that must be restarted when it changes; none where they see it by themselves.

    """

    path: str
    text: str
    owner: str = "root"
    group: str = "root"
    mode: str = "0644"
    services: tuple[str, ...] = ()


def user_of(service: str) -> str:
    """Return the system user, and group, that a service runs as."""
    return f"cloister-{service}"


def unit_of(service: str) -> str:
    """Return the name of a service's unit."""
    return f"{user_of(service)}.service"


def socket_of(service: str, port: str) -> str:
    """Return the name of the unit that opens a published port of a service."""
    return f"{user_of(service)}-{port}.socket"


def credentials_of(service: Service) -> tuple[str, ...]:
    """Return the secrets that a service is given, by name."""
    return tuple(dict.fromkeys((*service.secret_env.values(), *service.secret_files)))


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a unit's text depends on, besides its service."""

    plan: Plan
    services: tuple[Service, ...]
    catalogue: Catalogue
    host: HostPlan
    able: HostAbilities
    layout: Layout

    @property
    def clients(self) -> tuple[str, ...]:
        """Networks that may reach the endpoint; prefix lists stand for ranges that only AWS knows."""
        network = self.plan.network
        return ("any",) if network.client_prefix_lists else network.client_cidrs


def render_host(
    plan: Plan, catalogue: Catalogue, host: HostPlan, able: HostAbilities, layout: Layout = HOST_LAYOUT
) -> tuple[HostFile, ...]:
    """Return every file that a host needs to run the plan, but for those that hold secrets or keys.

    Args:
        plan: whose services run there.
        catalogue: says where programs are on a host.
        host: where clients reach it.
        able: what its systemd knows.
        layout: its folders.

    """
    services = services_of(plan, host, able.interface)
    place = _Place(plan=plan, services=services, catalogue=catalogue, host=host, able=able, layout=layout)
    files = [*_programs(place), _users(place)]
    for service in services:
        read = tuple(_configuration(place, service))
        sockets = tuple(_socket(place, service, port) for port in service.ports if port.binding == "published")
        files += [*read, *sockets, _unit(place, service, (*read, *sockets))]
    return (*files, _target(place))


def _configuration(place: _Place, service: Service) -> Iterable[HostFile]:
    """Yield what a service reads, in a folder that nobody else may enter."""
    if named := [server for server in service.reaches if server.name != server.address]:
        lines = ("127.0.0.1 localhost", "::1 localhost", *(f"{server.address} {server.name}" for server in named))
        yield HostFile(
            path=_names_of(place, service),
            text="\n".join(("# Rendered.", *dict.fromkeys(lines), "")),
            group=user_of(service.name),
            mode="0640",
            services=(service.name,),
        )
    own = msgspec.structs.replace(place.layout, secrets=f"/run/credentials/{unit_of(service.name)}")
    for path, text in render(place.plan, own, place.host.name).items():
        name, _, rest = path.partition("/")
        if name == service.name:
            yield HostFile(
                path=f"{own.config}/{path}",
                text=text,
                group=user_of(name),
                mode="0640",
                services=() if rest.startswith(WATCHED) else (name,),
            )


def _names_of(place: _Place, service: Service) -> str:
    """Return the path of the names that a service knows: hosts have no DNS to ask."""
    return f"{place.layout.config}/{service.name}/hosts"


def _unit(place: _Place, service: Service, with_it: tuple[HostFile, ...]) -> HostFile:
    """Return a service's unit. It carries a hash of all that it is started with, the bundle's programs among them."""
    values = _values(place, service)
    digest = hashlib.sha256(f"{place.plan.bundle.id}\0{_text('service', **values, mark='')}\0".encode())
    for file in with_it:
        if file.services:
            digest.update(f"{file.path}\0{file.text}\0".encode())
    text = _text("service", **values, mark=f"{CONFIGURATION}={digest.hexdigest()[:32]}")
    return HostFile(path=f"{UNITS}/{unit_of(service.name)}", text=text, services=(service.name,))


def _values(place: _Place, service: Service) -> dict[str, object]:
    """Return what the template of a unit is filled with."""

    def expand(text: str) -> str:
        return place.layout.expand(service.name, text)

    command = host_command(service.artefact, place.catalogue)
    words = (*_meeting(place, service), *command, *map(expand, service.args))
    if service.secret_env:
        pairs = (f"{variable}={secret}" for variable, secret in service.secret_env.items())
        words = (f"{PROGRAMS}/with-secrets", *pairs, "--", *words)
    published = [port for port in service.ports if port.binding == "published"]
    return {
        "service": service,
        "description": f"{service.name} of the stack {place.plan.stack} ({service.artefact} {service.version})",
        "target": TARGET,
        "user": user_of(service.name),
        "program": command[0],
        "command": words,
        "check": (*command, *map(expand, service.check)) if service.check else (),
        "after": [unit_of(name) for name in service.after],
        "sockets": [socket_of(service.name, port.name) for port in published],
        "health": _gate(service),
        "start_timeout_s": round(service.health.timeout_s if service.health else 0) + UNHURRIED_S,
        "stop_timeout_s": STOP_TIMEOUT_S,
        "able": place.able,
        "environment": {
            "HOME": expand("{data}"),  # caches of libraries go there
            **host_environment(service.artefact, place.catalogue),
            **{name: expand(value) for name, value in service.env.items()},
        },
        "credentials": credentials_of(service),
        "names": _names_of(place, service) if any(one.name != one.address for one in service.reaches) else "",
        "secrets": place.layout.secrets,
        "data": expand("{data}"),
        "state": expand("{data}").removeprefix(STATE_ROOT),
        "sandbox": settings(
            service.needs,
            place.clients if published else (),
            # Its own address as well: processes of a replica name each other by it on one node too.
            (place.host.address, *peers_of(place.plan, place.host)) if "peers" in service.needs else (),
            tuple(dict.fromkeys(server.address for server in service.reaches)),
        ),
    }


def _meeting(place: _Place, service: Service) -> tuple[str, ...]:
    """Return what has a program start and end together with its counterparts on other nodes; nothing without them."""
    if "peers" not in service.needs:
        return ()
    head = head_of(place.plan).address
    joining = peers_of(place.plan, place.host) if place.host.rank == 0 else ()
    return (f"{PROGRAMS}/with-peers", "join" if place.host.rank else "lead", head, str(MEETING_PORT), *joining, "--")


def _socket(place: _Place, service: Service, port: Port) -> HostFile:
    if not port.handed_as:
        raise ValueError(f"{service.name}: the published port {port.name} cannot be handed over")
    host = place.host
    at = f"[{host.address}]" if ":" in host.address else host.address or "[::]"
    text = _text(
        "socket",
        description=f"The endpoint of the stack {place.plan.stack}",
        target=TARGET,
        listen=f"{at}:{port.number}",
        interface=host.interface,
        dual=not host.address,
        handed_as=port.handed_as,
        service=unit_of(service.name),
        networks=("localhost", *place.clients),
    )
    return HostFile(path=f"{UNITS}/{socket_of(service.name, port.name)}", text=text, services=(service.name,))


def _gate(service: Service) -> tuple[str, ...]:
    """Return the command that waits until a service answers; empty for one that has no health path."""
    if service.health is None:
        return ()
    number = next(port.number for port in service.ports if port.name == service.health.port)
    url = f"{service.health.scheme}://127.0.0.1:{number}{service.health.path}"
    return (f"{PROGRAMS}/await-health", url, f"{service.health.timeout_s:g}")


def _programs(place: _Place) -> tuple[HostFile, ...]:
    """Return the small programs that units start."""
    names = ("await-health", "with-secrets", *(("with-peers",) if place.plan.followers else ()))
    return tuple(
        HostFile(path=f"{PROGRAMS}/{name}", text=(FOLDER / "systemd" / name).read_text(encoding="utf-8"), mode="0755")
        for name in names
    )


def _users(place: _Place) -> HostFile:
    """Return the users as sysusers.d(5) has them: each service has one of its own, which nobody can log in as."""
    data = place.layout.data
    lines = (f'u {user_of(one.name)} - "Cloister {one.name}" {data}/{one.name}' for one in place.services)
    return HostFile(path=USERS, text="\n".join(("# Rendered.", *lines, "")))


def _target(place: _Place) -> HostFile:
    units = [unit_of(service.name) for service in place.services]
    text = _text("target", target=TARGET, description=f"The stack {place.plan.stack}", units=units)
    return HostFile(path=f"{UNITS}/{TARGET}", text=text)


def _text(template: str, **values: object) -> str:
    return environment().get_template(f"systemd/{template}.j2").render(values)
