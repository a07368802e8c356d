"""A service runs as nobody in particular, and becomes nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.files import Unit
from policies.readers import on_units
from policies.rule import Answer, Example, Rule, Violated
from policies.sandboxing import ON, is_proxy, must_be_on

LOW_PORTS = "CAP_NET_BIND_SERVICE"
"""What a service needs for a port below 1024."""


def _judge(unit: Unit) -> Iterator[Answer]:
    user, dynamic = unit.value("User") or "", (unit.value("DynamicUser") or "").lower() in ON
    if user in ("root", "0") or not (user or dynamic):
        yield Violated("it runs as root (`User`)")
    yield from must_be_on(unit, {"NoNewPrivileges": "it may become root by a setuid program"})
    allowed = {LOW_PORTS} if is_proxy(unit) else set()
    bounding = unit.words("CapabilityBoundingSet")
    if bounding is None:
        yield Violated("it may get every capability (`CapabilityBoundingSet` is missing)")
    for name, words in (
        ("CapabilityBoundingSet", bounding),
        ("AmbientCapabilities", unit.words("AmbientCapabilities")),
    ):
        extra = sorted(set(words or ()) - allowed)
        if extra:
            yield Violated(f"it may have {', '.join(extra)} (`{name}`)")
    for name in ("ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop"):
        for line in unit.values(name):
            if line[:1] in "+!" or line.lstrip("@-:")[:1] in "+!":
                yield Violated(f"a command runs with full rights (`{name}={line[:40]}`)")


RULE = Rule(
    id="units-unprivileged",
    title="Services run as users of their own and gain no rights",
    family="hosts",
    severity="critical",
    why=(
        "A hole in a service that runs as root is a hole in the host, and in every other service on it. Without "
        "NoNewPrivileges any setuid program is the next step."
    ),
    remediation=(
        "Give the unit `User=`, `NoNewPrivileges=yes` and an empty `CapabilityBoundingSet=`; `deploy verify` "
        "looks at what runs."
    ),
    controls=("nist AC-6", "nist SC-39", "iso27001 A.8.2", "soc2 CC6.3"),
    references=("https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html",),
    good=(
        Example("a user of its own", files=examples.unit()),
        Example(
            "a proxy that may bind low ports",
            files=examples.unit(
                {"CapabilityBoundingSet": LOW_PORTS, "AmbientCapabilities": LOW_PORTS}, "cloister-traefik"
            ),
        ),
    ),
    bad=(
        Example("root", files=examples.unit({"User": "root"})),
        Example("nobody said who", files=examples.unit({"User": ...})),
        Example("new privileges", files=examples.unit({"NoNewPrivileges": "no"})),
        Example("every capability", files=examples.unit({"CapabilityBoundingSet": ...})),
        Example("a capability", files=examples.unit({"CapabilityBoundingSet": "CAP_SYS_ADMIN"})),
        Example("low ports for another than the proxy", files=examples.unit({"AmbientCapabilities": LOW_PORTS})),
        Example("a command as root", files=examples.unit({"ExecStartPre": "+/bin/chown -R x /srv"})),
    ),
    on_files=on_units(_judge),
)
