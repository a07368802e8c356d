"""Checks of single rendered files: what is missing or cannot be read is a violation, never silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from policies.files import Files, Unit, UnreadableError
from policies.rule import Answer, Violated
from policies.values import at

FileCheck = Callable[[Files], Iterator[Answer]]

STATIC, ROUTES = "traefik/traefik.yml", "traefik/dynamic/routes.yml"
GATEWAY = "gateway/gateway.toml"
PROMETHEUS = "prometheus/prometheus.yml"
ALERTS = "prometheus/rules/cloister.yml"
ALERTMANAGER = "alertmanager/alertmanager.yml"
FIREWALL, SSHD = "firewall.nft", "sshd_config"
OWN_SSHD = "00-cloister.conf"
"""Names of rendered files, as the templates give them."""


@dataclass(frozen=True)
class Traefik:
    """What Traefik is told: at its start, and of its routes."""

    static: Any
    routes: Any

    def entry_points(self) -> Mapping[str, Any]:
        """Return the entry points by name."""
        return table(self.static, "entryPoints")

    def published(self) -> Iterator[tuple[str, Any]]:
        """Yield the entry points that clients reach: those that routes use, and all that are not on loopback."""
        used = {name for router in self.routers().values() for name in at(router, "entryPoints") or self.entry_points()}
        for name, entry_point in self.entry_points().items():
            if name in used or not is_loopback(at(entry_point, "address")):
                yield name, entry_point

    def routers(self) -> Mapping[str, Any]:
        """Return the routes by name."""
        return table(self.routes, "http", "routers")

    def middlewares(self, router: Any) -> Iterator[tuple[str, Any]]:
        """Yield the middlewares of a route, in order; one that does not exist is empty."""
        defined = table(self.routes, "http", "middlewares")
        yield from ((name, defined.get(name) or {}) for name in at(router, "middlewares") or ())

    def all_middlewares(self) -> Mapping[str, Any]:
        """Return every middleware by name, used or not."""
        return table(self.routes, "http", "middlewares")

    def servers(self, service: str) -> Iterator[str]:
        """Yield the URLs behind a service."""
        definition = table(self.routes, "http", "services").get(service)
        yield from (str(at(server, "url")) for server in at(definition, "loadBalancer", "servers") or ())


def on_static(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of Traefik's static configuration."""
    return _on_content(check, STATIC, Files.yaml)


def on_routes(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of Traefik's routes."""
    return _on_content(check, ROUTES, Files.yaml)


def on_gateway(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of the gateway's configuration."""
    return _on_content(check, GATEWAY, Files.toml)


def on_prometheus(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of Prometheus's configuration."""
    return _on_content(check, PROMETHEUS, Files.yaml)


def on_alerts(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of the alert rules."""
    return _on_content(check, ALERTS, Files.yaml)


def on_alertmanager(check: Callable[[Any], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of Alertmanager's; where nobody is told of alerts, nothing is judged."""
    judge = _on_content(check, ALERTMANAGER, Files.yaml)
    return lambda files: judge(files) if files.find(ALERTMANAGER) else iter(())


def on_traefik(check: Callable[[Traefik], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of both of Traefik's; what it finds is told of the routes."""

    def judge(files: Files) -> Iterator[Answer]:
        static, routes = files.find(STATIC), files.find(ROUTES)
        if static is None or routes is None:
            yield _missing(STATIC if static is None else ROUTES)
            return
        try:
            traefik = Traefik(files.yaml(static), files.yaml(routes))
        except UnreadableError as error:
            yield Violated(str(error))
            return
        yield from _told_of(check(traefik), routes)

    return judge


def on_units(check: Callable[[Unit], Iterable[Answer]], beginning: str = "") -> FileCheck:
    """Make a check of rendered files from one of each systemd service; where there are none, nothing is judged.

    Args:
        check: judges one of them.
        beginning: of the names of those that it is about; empty for all.

    """
    return _on_each(check, lambda files: files.units(beginning))


def on_containers(check: Callable[[Unit], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of each Quadlet; where there are none, nothing is judged."""
    return _on_each(check, Files.containers)


def on_programs(check: Callable[[Unit], Iterable[Answer]]) -> FileCheck:
    """Make a check of rendered files from one of each service, whether it runs on the host or in a container."""
    return both(on_units(check), on_containers(check))


def _on_each(check: Callable[[Unit], Iterable[Answer]], read: Callable[[Files], Iterator[Unit]]) -> FileCheck:
    def judge(files: Files) -> Iterator[Answer]:
        try:
            for unit in read(files):
                yield from _told_of(check(unit), unit.path)
        except UnreadableError as error:
            yield Violated(str(error))

    return judge


def on_firewall(check: Callable[[str], Iterable[Answer]]) -> FileCheck:
    """Make a check of host files from one of nftables' rules, in a file or in force; with none, nothing is judged."""
    return _on_texts(check, (FIREWALL,))


def on_sshd(check: Callable[[str], Iterable[Answer]]) -> FileCheck:
    """Make a check of host files from one of the SSH server's settings, ours or those in force; with none, nothing."""
    return _on_texts(check, (OWN_SSHD, SSHD))


def _on_texts(check: Callable[[str], Iterable[Answer]], names: tuple[str, ...]) -> FileCheck:
    def judge(files: Files) -> Iterator[Answer]:
        for path, text in files.named(*names):
            yield from _told_of(check(text), path)

    return judge


def both(*checks: FileCheck) -> FileCheck:
    """Make one check of several."""

    def judge(files: Files) -> Iterator[Answer]:
        for check in checks:
            yield from check(files)

    return judge


def table(content: Any, *path: str) -> Mapping[str, Any]:
    """Return the table at a path of keys; empty where there is none.

    Raises:
        TypeError: something else is there.

    """
    value = at(content, *path)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object at {'.'.join(path)!r}, found {type(value).__name__}")
    return value


def is_loopback(address: Any) -> bool:
    """Tell whether `host:port` is on this host alone; no host means every one of its addresses."""
    host = str(address or "").rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _on_content(check: Callable[[Any], Iterable[Answer]], name: str, read: Callable[[Files, str], Any]) -> FileCheck:
    def judge(files: Files) -> Iterator[Answer]:
        path = files.find(name)
        if path is None:
            yield _missing(name)
            return
        try:
            content = read(files, path)
        except UnreadableError as error:
            yield Violated(str(error), file=path)
            return
        yield from _told_of(check(content), path)

    return judge


def _missing(name: str) -> Violated:
    return Violated(f"{name} is not among the rendered files, so nobody can say what it would be told", file=name)


def _told_of(answers: Iterable[Answer], path: str) -> Iterator[Answer]:
    """Name the file in each answer that does not name one itself."""
    for answer in answers:
        yield answer if answer.file else replace(answer, file=path)
