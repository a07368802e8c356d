# noqa: INP001 - Ansible loads this file by its folder; a package here would shadow Ansible's own
"""Ansible module: services of systemd as they should run, restarted only where what runs is not what is wanted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: run_services
short_description: Starts services, and restarts those that run with something older
description:
  - A running service says in its environment which configuration it was started with, and systemd keeps the credentials
    that it was given. Both are compared with what is wanted, so a run that was cut short is finished by the next one.
  - A service counts as started when its unit says so, which is when it answers.
  - Units whose files are gone are stopped.
options:
  target:
    description: Unit that all services belong to; enabled, so that a reboot starts them.
    type: str
    required: true
  prefix:
    description: Beginning of the names of units that are ours.
    type: str
    required: true
  masked:
    description: Units that must not run for as long as ours do, which take their place.
    type: list
    elements: str
    default: []
  services:
    description: What shall run; all is stopped when empty. C(mark) is C(VARIABLE=VALUE) of its environment;
      C(credentials) names files of the folder.
    type: list
    elements: dict
    default: []
  credentials:
    description: Folder of the credentials that services are given.
    type: path
    required: true
  sealed:
    description: Whether systemd-creds has encrypted them.
    type: bool
    default: false
"""

SERVICE = {
    "unit": {"type": "str", "required": True},
    "mark": {"type": "str", "required": True},
    "program": {"type": "str", "required": True},
    "optional": {"type": "bool", "default": False},
    "sockets": {"type": "list", "elements": "str", "default": []},
    "credentials": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS = {
    "target": {"type": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "credentials": {"type": "path", "required": True},
    "sealed": {"type": "bool", "default": False},
    "masked": {"type": "list", "elements": "str", "default": []},
    "services": {"type": "list", "elements": "dict", "default": [], "options": SERVICE},
}
ASKED = "Id,LoadState,ActiveState,NeedDaemonReload,MainPID,FragmentPath,SourcePath,UnitFileState"
LAST_LINES = 15
STARTS = {"activating"}
RUNS = {"active", "reloading", *STARTS}
"""States of a unit. One that starts may be loading weights for minutes: it is waited for, not begun again."""


class Running:
    """One run of the module."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.dry = bool(module.check_mode)
        self.done: list[str] = []

    def run(self) -> None:
        """Bring all services into the wanted state.

        What is to change is stopped before systemd reads the new units, so that a run that ends here is seen later.
        """
        wanted = self.module.params
        services = [one for one in wanted["services"] if not one["optional"] or os.access(one["program"], os.X_OK)]
        sockets = [name for one in services for name in one["sockets"]]
        units = self.show([wanted["target"], *(one["unit"] for one in services), *sockets, *wanted["masked"]])
        self.mask(wanted["masked"], units, wanted=bool(wanted["services"]))
        self.stop("stopped, no longer wanted", self.gone(wanted["prefix"]))
        stale = [one for one in services if not self.is_current(one, units)]
        waiting = [one["unit"] for one in services if one not in stale and units[one["unit"]]["ActiveState"] in STARTS]
        self.stop("", [name for name in sockets if self.is_older(units[name])], with_it=stale)
        if any(self.is_older(unit) for unit in units.values()) and not self.dry:
            self.systemctl("daemon-reload")
        self.start([one["unit"] for one in stale], waiting)
        self.enable(wanted["target"], units[wanted["target"]], wanted=bool(wanted["services"]))

    def show(self, names: list[str]) -> dict[str, dict[str, str]]:
        """Return what systemd says of units, by name."""
        said = self.systemctl("show", f"--property={ASKED}", "--", *names)
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
        return dict(zip(names, blocks, strict=True))

    def gone(self, prefix: str) -> list[str]:
        """Return active units of ours whose files are no more."""
        said = self.systemctl("list-units", "--plain", "--no-legend", "--full", "--all", f"{prefix}*")
        names = [line.split()[0] for line in said.splitlines() if line.split()]
        known = self.show(names) if names else {}
        return [
            name
            for name, unit in known.items()
            if unit["ActiveState"] in {"active", "activating", "reloading", "failed"}
            and (unit["LoadState"] == "not-found" or is_without_file(unit))
        ]

    @staticmethod
    def is_older(unit: dict[str, str]) -> bool:
        """Tell whether systemd has not read the unit's file, or an older one."""
        return unit["NeedDaemonReload"] == "yes" or unit["LoadState"] == "not-found"

    def is_current(self, service: dict[str, Any], units: dict[str, dict[str, str]]) -> bool:
        """Tell whether a service runs, or starts just now, with the configuration and credentials that are wanted."""
        unit = units[service["unit"]]
        if unit["ActiveState"] not in RUNS or unit["MainPID"] in {"", "0"}:
            return False
        if any(units[name]["ActiveState"] != "active" for name in service["sockets"]):
            return False
        if service["mark"].encode() not in read(f"/proc/{unit['MainPID']}/environ").split(b"\0"):
            return False
        given = f"/run/credentials/{service['unit']}"
        return all(read(f"{given}/{name}") == self.credential(name) for name in service["credentials"])

    def credential(self, name: str) -> bytes:
        """Return what a service that starts now would be given."""
        path = f"{self.module.params['credentials']}/{name}"
        if not self.module.params["sealed"]:
            return read(path)
        _, said, _ = self.module.run_command(["systemd-creds", "decrypt", f"--name={name}", path, "-"])
        return str(said).encode()

    def mask(self, names: list[str], units: dict[str, dict[str, str]], *, wanted: bool) -> None:
        """Stop units that must not run beside ours; allow them again once ours are gone."""
        found = [name for name in names if (units[name]["LoadState"] == "masked") != wanted]
        if not found:
            return
        self.done += [f"masked {name}" if wanted else f"unmasked {name}" for name in found]
        if not self.dry:
            self.systemctl(*(["mask", "--now"] if wanted else ["unmask"]), "--", *found)

    def stop(self, why: str, names: list[str], with_it: list[dict[str, Any]] | None = None) -> None:
        """Stop units, and services that go with them."""
        if not names:
            return
        if why:
            self.done += [f"{why}: {name}" for name in names]
        also = [one["unit"] for one in with_it or [] if set(one["sockets"]) & set(names)]
        if not self.dry:
            self.systemctl("stop", "--", *also, *names)
            self.module.run_command(["systemctl", "reset-failed", "--", *also, *names])

    def start(self, names: list[str], waiting: list[str]) -> None:
        """Start units in the order that they themselves ask for, and wait until all are up."""
        self.done += [f"started {name}" for name in names]
        if self.dry:
            return
        for how, units in (("start", waiting), ("restart", names)):
            code, _, said = self.module.run_command(["systemctl", how, "--", *units]) if units else (0, "", "")
            failed = [name for name in units if self.show([name])[name]["ActiveState"] != "active"]
            if code or failed:
                self.fail(failed or units, said.strip().split("\n")[0])

    def fail(self, names: list[str], reason: str) -> None:
        """Say which services did not come up, and what the first of them said."""
        asked = ["journalctl", f"--unit={names[0]}", f"--lines={LAST_LINES}", "--output=cat"]
        words = self.module.run_command(asked)[1].strip()
        who = ", ".join(names)
        self.module.fail_json(msg=f"{who} did not come up: {reason}\nlast words of {names[0]}:\n{words}")

    def enable(self, target: str, unit: dict[str, str], *, wanted: bool) -> None:
        """Have a reboot start everything, or nothing."""
        is_on = unit["UnitFileState"] == "enabled" and unit["ActiveState"] == "active"
        is_off = unit["UnitFileState"] != "enabled" and unit["ActiveState"] != "active"
        if is_on if wanted else is_off:
            return
        how = "enable" if wanted else "disable"
        self.done.append(f"{how}d {target}")
        if not self.dry:
            self.systemctl(how, "--now", "--", target)

    def systemctl(self, *words: str) -> str:
        """Run systemctl, and return what it says."""
        _, said, _ = self.module.run_command(["systemctl", *words], check_rc=True)
        return str(said)


def is_without_file(unit: dict[str, str]) -> bool:
    """Tell whether a unit's file is gone, or the one that a generator made it of."""
    return any(path and not Path(path).exists() for path in (unit["SourcePath"], unit["FragmentPath"]))


def read(path: str) -> bytes:
    """Return a file's content; nothing where there is none."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def main() -> None:
    """Run as Ansible runs it."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    running = Running(module)
    running.run()
    module.exit_json(changed=bool(running.done), done=running.done)


if __name__ == "__main__":
    main()
