"""Only Traefik's one entry point listens beyond loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan, Port
from policies import examples
from policies.engine import command_lines, option, unit_command
from policies.files import Unit
from policies.readers import both, is_loopback, on_gateway, on_programs, on_static, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

PROXY, PROXY_PORT = "traefik", "https"
LISTENS = ("--web.listen-address", "--listen", "--host", "--bind")
"""Options by which programs of a stack are told where to listen."""
ENTRY_POINT = "websecure"


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the ports of services, and where their command lines put them."""
    for service in plan.services:
        for port in service.ports:
            if port.binding == "published" and (service.name, port.name) != (PROXY, PROXY_PORT):
                yield Violated(f"{service.name} publishes its port {port.number} ({port.name})")
        if service.name != PROXY:
            yield from _words(service.name, service.args)
    for where, words in command_lines(plan):
        if "--headless" not in words:
            yield from _engine(where, words)


def _engine(where: str, words: tuple[str, ...]) -> Iterator[Answer]:
    """Say nothing of an engine that is told where to listen: `_words` judges that."""
    if option(words, "--host") is None and option(words, "--uds") is None:
        yield Violated(f"{where} listens on every address (`--host` is missing)")
    else:
        yield from _words(where, words)


def _words(where: str, words: tuple[str, ...]) -> Iterator[Answer]:
    for name in LISTENS:
        value = option(words, name)
        if value is not None and not (is_loopback(value) or is_loopback(f"{value}:0")):
            yield Violated(f"{where} listens on {value or 'every address'} (`{name}`), and only Traefik may be reached")


def _on_static(config: Any) -> Iterator[Answer]:
    for name, entry_point in table(config, "entryPoints").items():
        address = at(entry_point, "address")
        if name != ENTRY_POINT and not is_loopback(str(address).removesuffix("/tcp").removesuffix("/udp")):
            yield Violated(f"the entry point {name} listens on {address}, and only {ENTRY_POINT} may be reached")


def _on_gateway(config: Any) -> Iterator[Answer]:
    for name in ("listen", "admin_listen"):
        if not is_loopback(at(config, name)):
            yield Violated(f"the gateway listens on {at(config, name)} (`{name}`), past Traefik's TLS")


def _on_unit(unit: Unit) -> Iterator[Answer]:
    if PROXY in unit.name:
        return
    engine = unit_command(unit)
    if engine and "--headless" not in engine:
        yield from _engine(unit.name, engine)
    elif not engine:
        for line in unit.command_lines:
            yield from _words(unit.name, tuple(line.split()))


def _with_port(name: str, binding: Any, port: str = "http") -> Plan:
    return examples.changed(services=(examples.service(name, ports=(Port(name=port, number=9090, binding=binding),)),))


RULE = Rule(
    id="only-proxy-published",
    title="Only Traefik's entry point listens beyond loopback",
    family="network",
    severity="critical",
    why=(
        "A metrics port or an engine that listens on every address answers whoever is in the network, without TLS and "
        "without a token. A firewall that fails open then stands alone between it and every client."
    ),
    remediation=(
        "Bind the service to 127.0.0.1; clients reach it by a route of Traefik's, see `deploy open`. `deploy verify` "
        "looks at what listens."
    ),
    controls=("nist SC-7", "nist CM-7", "iso27001 A.8.20", "soc2 CC6.6"),
    references=(
        "https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/",
        "https://docs.vllm.ai/en/latest/usage/security.html",
    ),
    good=(
        Example("one published entry point", files={**examples.traefik(), **examples.gateway()}),
        Example("a service on loopback", plan=_with_port("prometheus", "loopback")),
        Example("Traefik, published", plan=_with_port("traefik", "published", "https")),
        Example("an engine on loopback", plan=examples.engine_with()),
    ),
    bad=(
        Example("a second port of Traefik's", plan=_with_port("traefik", "published", "admin")),
        Example("a second published service", plan=_with_port("prometheus", "published")),
        Example("an engine on every address", plan=examples.engine_with("--host", "0.0.0.0")),  # noqa: S104 - refused
        Example(
            "a service on every address",
            plan=examples.changed(services=(examples.service("prometheus", args=("--web.listen-address=:9090",)),)),
        ),
        Example(
            "a second entry point",
            files={**examples.traefik({"entryPoints.admin.address": ":8082"}), **examples.gateway()},
        ),
        Example(
            "a gateway beside Traefik", files={**examples.traefik(), **examples.gateway({"listen": "0.0.0.0:8080"})}
        ),
        Example(
            "a unit on every address",
            files={
                **examples.traefik(),
                **examples.gateway(),
                **examples.unit(
                    {"ExecStart": "/usr/bin/prometheus --web.listen-address=0.0.0.0:9090"}, "cloister-prometheus"
                ),
            },
        ),
    ),
    on_plan=on_plan,
    on_files=both(on_static(_on_static), on_gateway(_on_gateway), on_programs(_on_unit)),
)
