"""A host as it is from outside and from inside: what answers, what gets out, and how its services are shut in."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
from collections.abc import Iterator

from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import WEIGHTS_FOLDER, WORST_SKEW_S
from lifecycle.hosts.kept import Arrival, arrival
from lifecycle.hosts.ssh import Connection
from lifecycle.hosts.units import services_on
from lifecycle.hosts.way_in import reaches
from lifecycle.probes.base import Check
from lifecycle.probes.containers import container_faults
from planner.layout import HOST_LAYOUT
from planner.plan import HostPlan, Plan
from planner.spanning import PEER_PORTS
from templates.hosts import credentials_of, unit_of, user_of

EXPOSURE = 2.0
"""The most that `systemd-analyze security` may say of a unit that needs no GPU."""
SSH_SETTINGS = {
    "passwordauthentication": {"no"},
    "kbdinteractiveauthentication": {"no"},
    "permitemptypasswords": {"no"},
    "permitrootlogin": {"no", "without-password", "prohibit-password"},
    "x11forwarding": {"no"},
    "allowagentforwarding": {"no"},
    "permittunnel": {"no"},
}
LEAST_FREE = 0.05
"""Of the disk that holds weights and records."""
OUT_TIMEOUT_S = 3.0
GETS_OUT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))
except OSError as error:
    print(error)
else:
    print("connected")
"""


class HostProbe:
    """Looks at one host of a stack."""

    def __init__(self, plan: Plan, host: HostPlan, connection: Connection, *, straight: bool) -> None:
        """Begin.

        Args:
            plan: what the host should be.
            host: the host, as the plan has it.
            connection: a login on it.
            straight: whether this machine is in a network of clients, so that what it reaches says something.

        """
        self.plan = plan
        self.host = host
        self.connection = connection
        self.straight = straight

    def probe(self) -> Iterator[Check]:
        """Yield every check of the host."""
        facts, here = read_facts(self.connection), arrival(self.connection)
        yield from self._services()
        yield self._shut_in()
        yield from self._contained()
        yield self._ssh()
        yield self._firewall()
        yield self._listening(facts, here)
        yield self._inner_ports()
        yield self._way_out(here)
        yield self._credentials()
        yield self._clock(facts)
        yield self._time_sync(facts)
        yield self._disk(facts)

    def _check(self, what: str, ok: bool | None, detail: str) -> Check:  # noqa: FBT001 - the verdict, as everywhere
        return Check(id=f"host.{self.host.name}.{what}", ok=ok, detail=detail)

    def _root(self, *words: str) -> str:
        return self.connection.run_as_root(shlex.join(words)).stdout

    def _services(self) -> Iterator[Check]:
        for state in services_on(self.plan, self.connection):
            optional = self.plan.service(state.name).optional
            ok = True if state.state == "RUNNING" else None if optional else False
            yield self._check(f"service.{state.name}", ok, state.state.lower())

    def _shut_in(self) -> Check:
        """Ask systemd how exposed each unit is; what a GPU needs makes its unit an exception that is named."""
        rows = [line.split() for line in self._root("systemd-analyze", "security", "--no-pager").splitlines()]
        found = {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0].startswith("cloister-")}
        said, open_ones = [], []
        for service in self.plan.services:
            value = found.get(unit_of(service.name))
            if value is None or service.image:
                continue  # a unit that is not there is told of by itself, and a container's unit is Podman's
            said.append(f"{service.name} {value:g}{' (for its GPUs)' if 'gpu' in service.needs else ''}")
            if value > EXPOSURE and "gpu" not in service.needs:
                open_ones.append(service.name)
        detail = f"exposure {', '.join(said) or 'unknown'}; at most {EXPOSURE:g} is allowed"
        return self._check("sandboxed", bool(said) and not open_ones, detail)

    def _contained(self) -> Iterator[Check]:
        """Ask Podman how each container is shut in: its unit is Podman's own, which sets it up as root."""
        for service in self.plan.services:
            if service.image is None:
                continue
            said = self._root("podman", "container", "inspect", user_of(service.name))
            try:
                faults = list(container_faults(json.loads(said)[0], service.image))
            except (ValueError, LookupError):
                faults = ["Podman knows no such container"]
            good = "its own user, no capabilities, no new rights, a read-only image of the planned digest"
            yield self._check(f"contained.{service.name}", not faults, ", ".join(faults) or good)

    def _ssh(self) -> Check:
        lines = dict(line.split(" ", 1) for line in self._root("sshd", "-T").splitlines() if " " in line)
        wrong = [
            f"{name} {lines.get(name, 'unknown')}" for name, good in SSH_SETTINGS.items() if lines.get(name) not in good
        ]
        return self._check(
            "ssh", not wrong, f"wrong: {', '.join(wrong)}" if wrong else "keys only, nothing forwarded but tunnels"
        )

    def _firewall(self) -> Check:
        rules = self._root("nft", "list", "table", "inet", "cloister")
        closed = {hook for hook in ("input", "forward", "output") if _drops(rules, hook)}
        lacking = sorted({"input", "forward", "output"} - closed)
        detail = (
            f"does not drop by default: {', '.join(lacking)}" if lacking else "drops by default: in, through and out"
        )
        return self._check("firewall", not lacking, detail)

    def _listening(self, facts: Facts, here: Arrival) -> Check:
        if facts.listening is None:
            return self._check("listens", None, "the host cannot say what listens: install iproute2 there")
        allowed = {here.port: "SSH"}
        if self.host.rank == 0:
            allowed[self.plan.network.gateway_port] = "the endpoint"
        if self.plan.followers:
            own = "what the replica's nodes alone may reach"
            allowed |= {port: own for ports in PEER_PORTS for port in range(ports.first, ports.last + 1)}
        open_ones = [one for one in facts.listening if not one.is_loopback and one.protocol == "tcp"]
        stray = sorted({f"{one.address}:{one.port}" for one in open_ones if one.port not in allowed})
        known = ", ".join(dict.fromkeys(allowed.values()))
        detail = f"beyond loopback: {', '.join(stray)}" if stray else f"beyond loopback nothing but: {known}"
        return self._check("listens", not stray, detail)

    def _inner_ports(self) -> Check:
        """Try every inner port from here: the firewall and the binding each keep it closed."""
        inner = {
            f"{service.name}.{port.name}": port.number
            for service in self.plan.services
            for port in service.ports
            if port.binding != "published"
        }
        if not self.straight:
            why = "a jump host leads there, or this machine is in no network of clients: tries from here say nothing"
            return self._check("inner_ports", None, why)
        answering = [name for name, number in inner.items() if reaches(self.host.address, number, 1.0)]
        detail = (
            f"answer from here: {', '.join(answering)}" if answering else f"{len(inner)} tried from here, none answers"
        )
        return self._check("inner_ports", not answering, detail)

    def _way_out(self, here: Arrival) -> Check:
        """Have the host, as root, connect to a port that we open for it."""
        try:
            listener = socket.create_server(("", 0), family=socket.AF_INET6 if ":" in here.ours else socket.AF_INET)
        except OSError as error:
            return self._check("way_out", None, f"no port could be opened here: {error}")
        with contextlib.closing(listener):
            words = (here.ours, str(listener.getsockname()[1]), str(OUT_TIMEOUT_S))
            said = self._root("python3", "-I", "-c", GETS_OUT, *words).strip()
        ok = said != "connected" if said else None
        return self._check("way_out", ok, f"to a port of this machine, as root: {said or 'no answer'}")

    def _credentials(self) -> Check:
        folder = HOST_LAYOUT.secrets
        files = self._root("find", folder, "-type", "f").split()
        loose = self._root("find", folder, "-not", "-user", "root", "-o", "-type", "f", "-perm", "/077").split()
        wanted = {name for service in self.plan.services for name in credentials_of(service)}
        detail = f"open to others: {', '.join(loose)}" if loose else f"{len(files)} files, root's alone"
        return self._check("credentials", bool(files) == bool(wanted) and not loose, detail)

    def _clock(self, facts: Facts) -> Check:
        skew = facts.clock_skew_s
        return self._check("clock", abs(skew) <= WORST_SKEW_S, f"{skew:+.0f} s from ours; {WORST_SKEW_S:g} are allowed")

    def _time_sync(self, facts: Facts) -> Check:
        """Judge what keeps the clock right from now on."""
        if not facts.time_service:
            return self._check("time_sync", ok=False, detail="no time service runs: `deploy up` starts one")
        if facts.synchronised:
            return self._check("time_sync", ok=True, detail=f"{facts.time_service} keeps the clock synchronised")
        why = "says that it is not synchronised" if facts.synchronised is False else "cannot say whether it is"
        hint = (
            "a start takes minutes, and without a time server it stays so (`[[out]]` of the inventory, udp, port 123)"
        )
        return self._check("time_sync", None, f"{facts.time_service} runs, and the clock {why}: {hint}")

    def _disk(self, facts: Facts) -> Check:
        disk = facts.disk_of(WEIGHTS_FOLDER)
        if disk is None:
            return self._check("disk", None, f"nothing is known of the disk at {WEIGHTS_FOLDER}")
        ok = disk.writable and disk.free_gib >= disk.total_gib * LEAST_FREE
        return self._check("disk", ok, f"{disk.free_gib:g} of {disk.total_gib:g} GiB free at {disk.mount}")


def _drops(rules: str, hook: str) -> bool:
    return any(f"hook {hook} " in line and "policy drop" in line for line in rules.splitlines())
