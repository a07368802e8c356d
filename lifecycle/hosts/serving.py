"""From a plan to services that run on hosts: what `ansible/serve.yml` is given, and its run."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from lifecycle.alert_files import placed_authorities
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.playbook import Outcome, play
from lifecycle.hosts.ssh import Login
from lifecycle.register import IssuerFiles, read_revocations
from planner.catalogue import Catalogue
from planner.errors import DeployError
from planner.host_commands import distribution_units, host_command
from planner.layout import HOST_LAYOUT, Layout
from planner.plan import HostPlan, Plan, Service
from planner.progress import Progress
from planner.spanning import services_of
from templates.hosts import (
    CONFIGURATION,
    PROGRAMS,
    UNITS,
    USERS,
    HostAbilities,
    HostFile,
    credentials_of,
    render_host,
    socket_of,
    unit_of,
    user_of,
)

PRIVATE, SHARED = "0600", "0640"


class Materials(msgspec.Struct, frozen=True, kw_only=True):
    """What services need and a plan only names. Never printed: it has no text form that shows values.

    Attributes:
        secrets: by name, those that services of the plan are given.
        key_set: public keys that tokens are checked with, JSON; empty where an issuer is asked for them.
        revocations: tokens that are no longer good, JSON.
        certificate: the endpoint's, PEM, with its intermediates.
        key: of that, PEM.
        issuer_ca: what to trust for the issuer's TLS, PEM; empty for none.
        alert_authorities: what to trust for the TLS of receivers of alerts, PEM, by the file's name.
        block_times: when a Capacity Block's node is left, JSON; empty for other hosts.

    """

    secrets: dict[str, str]
    key_set: str
    revocations: str
    certificate: str
    key: str
    issuer_ca: str = ""
    alert_authorities: dict[str, str] = {}
    block_times: str = ""

    def __repr__(self) -> str:
        return f"Materials({', '.join(sorted(self.secrets))}, ...)"


def materials_of(plan: Plan, layout: Layout) -> Materials:
    """Read them from the stack's folder on this machine, where `up` has made them.

    Raises:
        DeployError: one is missing or damaged.

    """
    identity, issuer = plan.identity, IssuerFiles.of(layout)
    names = sorted({name for service in plan.services for name in credentials_of(service)})
    key_set = str(issuer.key_set) if identity.built_in else identity.jwks
    asked = key_set.startswith(("https://", "http://")) or not key_set
    try:
        return Materials(
            secrets={name: Path(layout.secrets, name).read_text(encoding="utf-8").strip() for name in names},
            key_set="" if asked else Path(key_set).read_text(encoding="utf-8"),
            revocations=msgspec.json.encode(read_revocations(issuer)).decode(),
            certificate=Path(layout.tls, "leaf.pem").read_text(encoding="utf-8"),
            key=Path(layout.tls, "leaf.key").read_text(encoding="utf-8"),
            issuer_ca=Path(identity.issuer_ca).read_text(encoding="utf-8") if identity.issuer_ca else "",
            alert_authorities=placed_authorities(plan.alerts, layout),
        )
    except OSError as error:
        raise DeployError(
            f"{error.filename} cannot be read: {error.strerror}",
            hint="`deploy up` makes what is missing, and says where a given file should be.",
            code="material_missing",
        ) from None


def serve(
    plan: Plan,
    catalogue: Catalogue,
    inventory: Inventory,
    login: Login,
    *,
    abilities: Mapping[str, HostAbilities],
    materials: Materials,
    progress: Progress,
    check: bool = False,
    at_once: int = 1,
) -> Outcome:
    """Run the plan's services on its hosts, and wait until they are healthy.

    Args:
        plan: whose hosts have their addresses.
        catalogue: says where programs are.
        inventory: the hosts by the names that the plan has, and the way to them.
        login: pinned keys, and our own.
        abilities: host -> what its systemd can do.
        materials: secrets, keys and certificates.
        progress: is told of every task.
        check: change nothing, and say what would be changed.
        at_once: hosts that change at the same time: one, for as long as clients are served. The first failure stops
            the rest.

    Raises:
        PlaybookError: a service did not become healthy, or a host was not reached.

    """
    hosts = {
        host.name: serving_variables(plan, catalogue, host, abilities[host.name], materials) for host in plan.hosts
    }
    variables = {"serve_hosts": hosts, "serve_at_once": at_once}
    return play("serve", heads_last(inventory, plan), login, variables, progress, check=check)


def heads_last(inventory: Inventory, plan: Plan) -> Inventory:
    """Return the inventory in the order of a roll-out: a replica's first node answers once all of its others are up."""
    ranks = {host.name: host.rank for host in plan.hosts}
    hosts = sorted(inventory.host, key=lambda host: ranks.get(host.name, 0), reverse=True)
    return msgspec.structs.replace(inventory, host=tuple(hosts))


def stop_serving(
    catalogue: Catalogue, inventory: Inventory, login: Login, progress: Progress, *, check: bool = False
) -> Outcome:
    """Stop the services on all serving hosts, and remove every file that `serve` had placed there.

    Users and what services keep stay: somebody may want to look at it.

    Raises:
        PlaybookError: a host was not reached, or something could not be stopped.

    """
    nothing = {
        **{part: [] for part in ("files", "folders", "materials", "units", "users")},
        "masked": list(distribution_units(catalogue, tuple(catalogue.artefacts))),
        "users_file": "",
        "sealed": False,
    }
    hosts = {host.name: nothing for host in inventory.serving}
    return play("serve", inventory, login, {"serve_hosts": hosts, "serve_at_once": len(hosts)}, progress, check=check)


def serving_variables(
    plan: Plan, catalogue: Catalogue, host: HostPlan, able: HostAbilities, materials: Materials
) -> dict[str, Any]:
    """Return what the role `services` is given for one host. It holds secrets."""
    layout, services = HOST_LAYOUT, services_of(plan, host, able.interface)
    files = render_host(_as_on_hosts(plan, layout), catalogue, host, able, layout)
    serves = host.rank == 0
    return {
        "files": [_file(file) for file in files],
        "folders": list(_folders(files, layout, serves=serves)),
        # Who serves nobody is given no secret, and no certificate.
        "materials": list(_materials(layout, able, materials)) if serves else [],
        "units": list(_units(services, catalogue, files)),
        "users": [user_of(service.name) for service in services],
        "users_file": USERS,
        # Of the whole plan: a bundle brings every host the packages of all services.
        "masked": list(distribution_units(catalogue, tuple(service.artefact for service in plan.services))),
        "sealed": able.encrypts_credentials,
    }


def _as_on_hosts(plan: Plan, layout: Layout) -> Plan:
    """Return the plan with the issuer's files where hosts have them."""
    identity = plan.identity
    is_file = bool(identity.jwks) and not identity.jwks.startswith(("https://", "http://"))
    return msgspec.structs.replace(
        plan,
        identity=msgspec.structs.replace(
            identity,
            jwks=f"{layout.stack}/identity/jwks.json" if is_file else identity.jwks,
            issuer_ca=f"{layout.stack}/identity/issuer-ca.pem" if identity.issuer_ca else "",
        ),
    )


def _folders(files: Sequence[HostFile], layout: Layout, *, serves: bool) -> Iterator[dict[str, str]]:
    """Yield the folders that files lie in, outer ones first: each service enters its own, and no other's."""
    for path in (PROGRAMS, layout.config, layout.stack):
        yield _folder(path, "0755")
    if serves:
        yield _folder(layout.secrets, "0700")
        yield _folder(layout.tls, "0750", user_of("traefik"))
        yield _folder(f"{layout.stack}/identity", "0750", user_of("gateway"))
    own = {}
    for file in files:
        for parent in PurePosixPath(file.path).parents:
            if str(parent).startswith(f"{layout.config}/"):
                own[str(parent)] = file.group
    for path in sorted(own):
        yield _folder(path, "0750", own[path])


def _materials(layout: Layout, able: HostAbilities, materials: Materials) -> Iterator[dict[str, str]]:
    """Yield what is shown nowhere: the key before its certificate, and Traefik told of both afterwards."""
    routes, tls, gateway = f"{layout.config}/traefik/dynamic/routes.yml", user_of("traefik"), user_of("gateway")
    for name, value in sorted(materials.secrets.items()):
        sealed = name if able.encrypts_credentials else ""
        yield {**_material(f"{layout.secrets}/{name}", value, "root", PRIVATE), "sealed": sealed}
    for name, text in (("leaf.key", materials.key), ("leaf.pem", materials.certificate)):
        yield {**_material(f"{layout.tls}/{name}", text, tls, SHARED), "wakes": routes}
    identity = {"jwks.json": materials.key_set, "revoked.json": materials.revocations}
    for name, text in {**identity, "issuer-ca.pem": materials.issuer_ca}.items():
        if text:
            yield _material(f"{layout.stack}/identity/{name}", text, gateway, SHARED)
    for name, text in materials.alert_authorities.items():
        yield _material(f"{layout.config}/alertmanager/{name}", text, user_of("alertmanager"), SHARED)
    if materials.block_times:
        yield _material(f"{layout.config}/reclaim/times.json", materials.block_times, user_of("reclaim"), SHARED)


def _units(services: Sequence[Service], catalogue: Catalogue, files: Sequence[HostFile]) -> Iterator[dict[str, Any]]:
    """Yield what shall run, and how to tell that it does with what it shall have."""
    texts = {file.path: file.text for file in files}
    for service in services:
        lines = texts[f"{UNITS}/{unit_of(service.name)}"].splitlines()
        yield {
            "unit": unit_of(service.name),
            "mark": next(line for line in lines if line.startswith(f"Environment={CONFIGURATION}=")).partition("=")[2],
            "program": host_command(service.artefact, catalogue)[0],
            "optional": service.optional,
            "sockets": [socket_of(service.name, port.name) for port in service.ports if port.binding == "published"],
            "credentials": list(credentials_of(service)),
        }


def _file(file: HostFile) -> dict[str, str]:
    return {
        "path": file.path,
        "content": _encoded(file.text),
        "owner": file.owner,
        "group": file.group,
        "mode": file.mode,
    }


def _material(path: str, text: str, group: str, mode: str) -> dict[str, str]:
    return {"path": path, "content": _encoded(text), "owner": "root", "group": group, "mode": mode}


def _folder(path: str, mode: str, group: str = "root") -> dict[str, str]:
    return {"path": path, "owner": "root", "group": group, "mode": mode}


def _encoded(text: str) -> str:
    """Return text as base64: rules of Prometheus hold what Ansible would take for its own templates."""
    return base64.b64encode(text.encode()).decode()
