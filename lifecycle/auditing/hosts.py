"""The files of a host as they lie there, and what its firewall and its SSH server go by now: read by SSH alone."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from importlib import resources

from lifecycle.auditing.records import HostReading, Unread
from lifecycle.hosts.ssh import Connection, connect
from lifecycle.served_hosts import ServedHosts
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.layout import HOST_LAYOUT
from planner.plan import HostPlan, Plan
from policies.readers import FIREWALL, OWN_SSHD, SSHD

TIMEOUT_S = 120.0
WHOLE = tuple(f"{HOST_LAYOUT.config}/{name}" for name in ("traefik/dynamic", "prometheus/rules"))
"""Folders of which a program reads every file, whoever put it there."""
FIREWALL_FILE = f"{HOST_LAYOUT.config}/{FIREWALL}"
SSHD_FILE = f"/etc/ssh/sshd_config.d/{OWN_SSHD}"
LIVE = {"firewall": f"/in-force/{FIREWALL}", "sshd": f"/in-force/{SSHD}"}
"""What is told beside files -> the name under which rules know it."""


def read_host(connection: Connection, plan: Plan, host: HostPlan) -> HostReading:
    """Read one host.

    Args:
        connection: a login on it.
        plan: says what ought to be there.
        host: which of the plan's hosts it is.

    Raises:
        DeployError: the host does not answer, or not to the end.

    """
    units, paths = _expected(plan, host)
    script = resources.files("lifecycle.auditing").joinpath("look.sh").read_text(encoding="utf-8")
    # What may change a Quadlet from beside it: its own drop-ins, and those of every container.
    beside = [f"{path}.d" for path in paths if path.endswith(".container")]
    if beside:
        beside.append(f"{beside[0].rpartition('/')[0]}/container.d")
    words = ("sh", "-s", *units, "--", *paths, "--", *WHOLE, *beside)
    ran = connection.run_as_root(shlex.join(words), text=script, timeout_s=TIMEOUT_S)
    lines = ran.stdout.splitlines()
    if ran.code or not lines or lines[-1] != "end":
        raise DeployError(
            f"{host.name}: its files cannot be read: {(ran.stderr or ran.stdout).strip()[-200:] or 'no answer'}",
            hint="The login must be root, or may use sudo; `deploy hosts check` says.",
            code="host_unreadable",
        )
    return _reading(host.name, lines[:-1], set(paths))


def read_hosts(served: ServedHosts) -> Iterator[tuple[str, HostReading]]:
    """Yield each host's name and what was read of it; of one that does not answer nothing was."""
    for host in served.stack.plan.hosts:
        try:
            way = served.kept.inventory.way_to(served.kept.inventory.named(host.name))
            with connect(way, served.login) as connection:
                yield host.name, read_host(connection, served.stack.plan, host)
        except DeployError as error:
            yield host.name, HostReading(files={}, unread=(Unread(place=host.name, why=error.message),))


def _expected(plan: Plan, host: HostPlan) -> tuple[list[str], list[str]]:
    """Return the units and the files that a host ought to have."""
    from lifecycle.hosts.fit import LOWEST_SYSTEMD  # noqa: PLC0415 - with the templates, which load Jinja
    from templates.hosts import UNITS, HostAbilities, render_host  # noqa: PLC0415 - as above

    wanted = [file.path for file in render_host(plan, load_catalogue(), host, HostAbilities(systemd=LOWEST_SYSTEMD))]
    units = [path.rpartition("/")[2] for path in wanted if path.startswith(f"{UNITS}/")]
    return units, [*(path for path in wanted if not path.startswith(f"{UNITS}/")), FIREWALL_FILE, SSHD_FILE]


def _reading(host: str, lines: list[str], wanted: set[str]) -> HostReading:
    files: dict[str, str] = {}
    missing: list[Unread] = []
    beside: list[str] = []
    bundle = ""
    for line in lines:
        kind, _, rest = line.partition(" ")
        name, _, content = rest.partition(" ") if kind in {"unit", "file", *LIVE} else (rest, "", "")
        if kind == "missing":
            missing.append(Unread(place=f"{host}:{name}", why="it is not there, or cannot be read"))
        elif kind == "there":
            beside += [f"{host}:{name}"] if name not in wanted else []
        elif kind == "bundle":
            bundle = name
        else:
            told = f"/etc/systemd/system/{name}" if kind == "unit" else LIVE.get(kind, name)
            files[f"{host}:{told}"] = _text(content)
    return HostReading(files=files, strangers=tuple(sorted(beside)), unread=tuple(missing), bundle=bundle)


def _text(content: str) -> str:
    return base64.b64decode(content).decode("utf-8", errors="replace")
