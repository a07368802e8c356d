"""The services of a stack as systemd has them on its hosts: their states and their journals, over SSH."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

import msgspec
import paramiko

from lifecycle.hosts.inventory import Host
from lifecycle.hosts.kept import KeptHosts
from lifecycle.hosts.ssh import CommandStuckError, Connection, Login, connect
from lifecycle.hosts.sudo import refuse_missing
from lifecycle.processes import ServiceState
from planner.errors import DeployError, UsageError
from planner.plan import Plan
from planner.spanning import part_of
from templates.hosts import unit_of

STATES = {"active": "RUNNING", "activating": "STARTING", "reloading": "RUNNING", "deactivating": "STOPPING"}
"""systemd's words -> those of every other target; whatever else it says is said as it is."""
ENDS_WITH_INPUT = """\
exec 3<&0
"$@" </dev/null 3<&- & program=$!
{ cat <&3; kill $program; } >/dev/null 2>&1 & watch=$!
wait $program; code=$?
kill $watch 2>/dev/null
exit $code
"""
"""Runs a program until it ends, or until whoever asked for it has gone. A terminal would do that too, and show the
input, which may begin with a password."""
ASKED = "Id,LoadState,ActiveState,MainPID,ActiveEnterTimestampMonotonic"


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A host of the target `metal` or a node in AWS, as it is.

    Attributes:
        state: running, degraded, stopped, or unreachable.
        error: why it could not be looked at; else empty.

    """

    name: str
    address: str
    state: str
    services: tuple[ServiceState, ...] = ()
    error: str = ""


def status_of(plan: Plan, kept: KeptHosts, login: Login) -> tuple[HostStatus, ...]:
    """Look at every host; one that is not reached keeps none of the others from being looked at."""
    parts = {host.name: part_of(plan, host) for host in plan.hosts}
    return tuple(_status(parts.get(host.name, plan), kept, host, login) for host in kept.inventory.serving)


def _status(plan: Plan, kept: KeptHosts, host: Host, login: Login) -> HostStatus:
    try:
        with connect(kept.inventory.way_to(host), login) as connection:
            services = services_on(plan, connection)
    except DeployError as error:
        return HostStatus(name=host.name, address=host.address, state="unreachable", error=error.message)
    needed = [one for one in services if not plan.service(one.name).optional]
    running = sum(one.state == "RUNNING" for one in needed)
    state = "running" if running == len(needed) else "degraded" if running else "stopped"
    return HostStatus(name=host.name, address=host.address, state=state, services=services)


def services_on(plan: Plan, connection: Connection) -> tuple[ServiceState, ...]:
    """Ask a host's systemd for the plan's services.

    Raises:
        DeployError: the host does not answer.

    """
    units = [unit_of(service.name) for service in plan.services]
    asked = shlex.join(("systemctl", "show", f"--property={ASKED}", "--", *units))
    up, _, text = connection.run(f"cat /proc/uptime && {asked}").stdout.partition("\n")
    up_s = float(up.split()[0]) if up else 0.0
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    said = {block.get("Id", ""): block for block in blocks}
    found = []
    for service in plan.services:
        block = said.get(unit_of(service.name), {})
        known = block.get("LoadState") == "loaded"
        active = block.get("ActiveState", "unknown")
        pid = int(block.get("MainPID", "0")) or None
        state = STATES.get(active, active.upper()) if known else "ABSENT"
        since_s = int(block.get("ActiveEnterTimestampMonotonic", "0")) / 1e6
        uptime_s = max(0, round(up_s - since_s)) if pid else 0
        found.append(ServiceState(name=service.name, state=state, pid=pid, url=None, uptime_s=uptime_s))
    return tuple(found)


def host_named(kept: KeptHosts, name: str) -> Host:
    """Return a host of the stack; the first when none is named.

    Raises:
        UsageError: there is none of that name.

    """
    serving = kept.inventory.serving
    for host in serving:
        if not name or host.name == name:
            return host
    known = ", ".join(host.name for host in serving)
    raise UsageError(f"the stack has no host {name!r}", hint=f"Its hosts: {known}.", code="no_such_host")


def journal_of(
    kept: KeptHosts, host: Host, login: Login, service: str, lines: int, *, follow: bool = False
) -> Iterator[str]:
    """Yield the last lines that a service wrote, and with `follow` those that come.

    Raises:
        DeployError: the host is not reached, or its journal cannot be read.

    """
    words = ["journalctl", "--no-pager", "--output=cat", f"--unit={unit_of(service)}", f"--lines={lines}"]
    with connect(kept.inventory.way_to(host), login) as connection:
        if not follow:
            ran = connection.run_as_root(shlex.join(words))
            if ran.code:
                raise _unreadable(host, ran.stderr)
            yield from ran.stdout.splitlines()
            return
        yield from _following(connection, shlex.join(("sh", "-c", ENDS_WITH_INPUT, "sh", *words, "--follow")))


def _following(connection: Connection, command: str) -> Iterator[str]:
    """Yield lines as they come; the program on the host ends with its input, which ends with the connection."""
    rooted = connection.as_root(command)
    try:
        into, out, errors = connection.client.exec_command(rooted.command)
        with contextlib.closing(out.channel):
            into.channel.sendall(rooted.begins.encode())
            for line in out:
                yield line.rstrip("\n")
            said = errors.read().decode(errors="replace")  # it ended by itself
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise CommandStuckError(
            f"{connection.host.name}: the connection broke ({str(error) or type(error).__name__})",
            hint="Look whether the host is up, then run the same command again.",
        ) from None
    refuse_missing(connection.host, said)
    raise _unreadable(connection.host, said)


def _unreadable(host: Host, said: str) -> DeployError:
    return DeployError(
        f"{host.name}: its journal cannot be read: {said.strip() or 'it ended'}",
        hint="`deploy status` says whether the host is as it should be.",
        code="no_journal",
    )
