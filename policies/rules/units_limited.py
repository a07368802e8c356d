"""A service takes no more of the host than was planned."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Limits, Plan
from policies import examples
from policies.files import Unit
from policies.readers import on_programs
from policies.rule import Answer, Example, Rule, Violated

ENDLESS = (None, "", "infinity")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    for service in plan.services:
        if service.limits.memory_mib <= 0 or service.limits.open_files <= 0:
            yield Violated(f"{service.name} may use all of the host's memory or files (`limits`)")


def _on_unit(unit: Unit) -> Iterator[Answer]:
    for name in ("MemoryMax", "LimitNOFILE"):
        if unit.value(name) in ENDLESS:
            yield Violated(f"it has no limit (`{name}` is {unit.value(name) or 'missing'})")
    if unit.value("LimitCORE") not in (None, "0", "0:0"):
        yield Violated("what it has in memory is written to disk when it fails (`LimitCORE`)")


def _limited(memory_mib: int) -> Plan:
    return examples.changed(services=(examples.service("gateway", limits=Limits(memory_mib=memory_mib)),))


RULE = Rule(
    id="units-limited",
    title="Services have limits of memory and files",
    family="hosts",
    severity="medium",
    why=(
        "A service that leaks, or is made to, takes the whole host with it: the kernel then ends whichever process is "
        "largest, which is the engine. A core dump writes prompts to the disk."
    ),
    remediation="Give the unit `MemoryMax` and `LimitNOFILE`; the plan has them for every service, see `deploy plan`.",
    controls=("nist SC-5", "nist SC-6", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html",),
    good=(
        Example("both limits, around a container", files=examples.quadlet()),
        Example("both limits", files=examples.unit()),
        Example("both limits, in the plan", plan=_limited(512)),
    ),
    bad=(
        Example("a container without a limit", files=examples.quadlet(service={"MemoryMax": ...})),
        Example("no limit of memory", files=examples.unit({"MemoryMax": ...})),
        Example("all of it", files=examples.unit({"MemoryMax": "infinity"})),
        Example("no limit of files", files=examples.unit({"LimitNOFILE": ...})),
        Example("core dumps", files=examples.unit({"LimitCORE": "infinity"})),
        Example("no limit, in the plan", plan=_limited(0)),
    ),
    on_plan=on_plan,
    on_files=on_programs(_on_unit),
)
