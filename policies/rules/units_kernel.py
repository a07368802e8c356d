"""A service leaves the kernel alone."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.files import Unit
from policies.readers import on_units
from policies.rule import Answer, Example, Rule, Violated
from policies.sandboxing import is_engine, must_be_on

SWITCHES = {
    "ProtectKernelTunables": "it may change settings of the kernel",
    "ProtectKernelModules": "it may load code into the kernel",
    "ProtectKernelLogs": "it may read what the kernel logs",
    "ProtectControlGroups": "it may lift its own limits",
    "ProtectClock": "it may set the clock, and with it when tokens end",
    "LockPersonality": "it may change how the kernel runs it",
    "RestrictSUIDSGID": "it may leave setuid programs behind",
    "RestrictRealtime": "it may take all of a processor",
    "RestrictNamespaces": "it may make namespaces, where most holes of kernels are",
}
PRIVATE_DEVICES = {"PrivateDevices": "it may open devices"}
CLOCK = "ProtectClock"
"""Implies a list of allowed devices, which a service with GPUs must extend."""


def _judge(unit: Unit) -> Iterator[Answer]:
    yield from must_be_on(
        unit, {name: why for name, why in SWITCHES.items() if not (is_engine(unit) and name == CLOCK)}
    )
    if not is_engine(unit):
        yield from must_be_on(unit, PRIVATE_DEVICES)
    if unit.value("SystemCallArchitectures") != "native":
        yield Violated("it may call the kernel as another architecture, past filters (`SystemCallArchitectures`)")
    calls = unit.words("SystemCallFilter")
    if not calls or calls[0].startswith("~"):
        yield Violated("it may make every call to the kernel but those that somebody thought of (`SystemCallFilter`)")


RULE = Rule(
    id="units-kernel",
    title="Services leave the kernel alone",
    family="hosts",
    severity="high",
    why=(
        "Most ways from a service to root lead through a rare call to the kernel, a namespace or a module. A "
        "service that answers HTTP needs none of them."
    ),
    remediation="Add the setting that the message names to the unit; `deploy verify` looks at what runs.",
    controls=("nist SC-39", "nist CM-7", "iso27001 A.8.9", "soc2 CC6.8"),
    references=(
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd-analyze.html",
    ),
    good=(
        Example("every switch on", files=examples.unit()),
        Example("an engine that needs devices", files=examples.unit({"PrivateDevices": "no"}, "cloister-engine")),
    ),
    bad=(
        *(Example(f"without {name}", files=examples.unit({name: "no"})) for name in SWITCHES),
        Example("devices", files=examples.unit({"PrivateDevices": "no"})),
        Example("every call", files=examples.unit({"SystemCallFilter": ...})),
        Example("every call but one", files=examples.unit({"SystemCallFilter": "~mount"})),
        Example("other architectures", files=examples.unit({"SystemCallArchitectures": ...})),
    ),
    on_files=on_units(_judge),
)
