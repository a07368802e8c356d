"""A service changes its own files alone."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.files import Unit
from policies.readers import on_units
from policies.rule import Answer, Example, Rule, Violated
from policies.sandboxing import must_be_on

HIDDEN = ("yes", "tmpfs", "read-only", "true")
WIDE = ("/", "/etc", "/usr", "/var", "/home", "/root", "/opt", "/boot", "/run")
"""Folders that hold what other services run or trust."""
SECRETIVE = ("0077", "077", "0027", "027")


def _judge(unit: Unit) -> Iterator[Answer]:
    if unit.value("ProtectSystem") != "strict":
        yield Violated(
            f"it may write to the host's files (`ProtectSystem` is {unit.value('ProtectSystem') or 'missing'})"
        )
    if (unit.value("ProtectHome") or "").lower() not in HIDDEN:
        yield Violated(f"it sees homes (`ProtectHome` is {unit.value('ProtectHome') or 'missing'})")
    yield from must_be_on(unit, {"PrivateTmp": "it shares /tmp with everybody"})
    for path in unit.words("ReadWritePaths") or ():
        if path.lstrip("-+").rstrip("/") in (*WIDE, ""):
            yield Violated(f"it may write everywhere below {path} (`ReadWritePaths`)")
    if unit.value("UMask") not in SECRETIVE:
        yield Violated(f"what it writes is for everybody to read (`UMask` is {unit.value('UMask') or 'missing'})")


RULE = Rule(
    id="units-read-only",
    title="Services write to folders of their own alone",
    family="hosts",
    severity="high",
    why=(
        "An intruder in a service that may write to `/etc` or to another's code stays after the hole is closed. With a "
        "read-only system nothing outlives a restart."
    ),
    remediation=(
        "Give the unit `ProtectSystem=strict`, `ProtectHome=yes`, `PrivateTmp=yes`, `UMask=0077` and state "
        "folders; see `deploy verify`."
    ),
    controls=("nist SC-39", "nist CM-7", "iso27001 A.8.9", "soc2 CC6.8"),
    references=("https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html",),
    good=(
        Example("a read-only system", files=examples.unit()),
        Example("a folder of its own", files=examples.unit({"ReadWritePaths": "/var/lib/cloister/data/gateway"})),
    ),
    bad=(
        Example("a system that may be written", files=examples.unit({"ProtectSystem": "full"})),
        Example("homes", files=examples.unit({"ProtectHome": "no"})),
        Example("everybody's /tmp", files=examples.unit({"PrivateTmp": ...})),
        Example("all of /etc", files=examples.unit({"ReadWritePaths": "/var/lib/cloister /etc/"})),
        Example("files for everybody", files=examples.unit({"UMask": "0022"})),
    ),
    on_files=on_units(_judge),
)
