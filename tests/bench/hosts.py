"""`deploy up --target metal` on a booted host, first and again; and a playbook on one host against several.

Operator and hosts share this machine's processors, and whoever else works on it: so processor time is told beside the
clock's, of the operator's side (`deploy` and Ansible) and of the host (its processes, from its systemd down). Where
several hosts are compared with one, each is bounded to a tenth of a processor: as if it had a slow one of its own.
`python -m tests.bench.hosts NUMBER` for another number of hosts than eight.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.playbook import play
from lifecycle.hosts.ssh import Login
from planner.progress import Silent
from tests.bench.measure import ROOT, Figure, machine, say, time_of
from tests.hosts.bundles import bundle
from tests.hosts.image import OPERATOR
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.test_metal_bundle import CONTENTS
from tests.hosts.test_prepare import IN_A_LAB
from tests.waiting import wait_until

AGAIN = 3
"""Runs of what is quick."""
FIRST_S, SECOND_S = 120, 25
HOSTS = 8
SHARE, PERIOD_US = 0.1, 100_000
"""Of a processor, for each of several hosts; and in which time the kernel counts it."""
CPU_GROUPS = Path("/sys/fs/cgroup/cpu")
"""Of control groups of version 1; those of version 2 are the machines' own."""


@dataclass(frozen=True)
class Took:
    """One run, in seconds: of the clock, and of processors on both sides."""

    wall: float
    ours: float
    theirs: float


def main(hosts: int) -> None:
    """Measure and print."""
    say(f"# Hosts ({machine()}, load {os.getloadavg()[0]:.1f})")
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as made:
        with Lab() as lab:
            up(lab.host("bookworm"), Path(made))
        with Lab(most=hosts) as lab:
            machines = [lab.host("bookworm") for _ in range(hosts)]
            for other in machines[1:]:
                other.let_in_too(machines[0].key)
            with slowed(machines):
                several(machines, Path(made))


def up(host: Machine, made: Path) -> None:
    """Measure the first `up` from a bundle that is ready here, and further ones that have nothing to change."""
    folder = made / "bundle"
    bundle(folder, "bookworm", contents=CONTENTS)
    operator = Operator(made / "operator", host)

    def run() -> None:
        code, report, told = operator.up("--bundle", str(folder)).end(timeout_s=900)
        if code:
            raise SystemExit(f"deploy up -> {code}\n{report}\n{told}")

    tell("first up, one host, from a ready bundle", [took(run, [host])], FIRST_S)
    tell("second up, nothing to change", [took(run, [host]) for _ in range(AGAIN)], SECOND_S)


def several(machines: Sequence[Machine], made: Path) -> None:
    """Measure the playbook `prepare` on one host and on all, as we run it and with Ansible's defaults."""
    login = Login(pins=Pins(made / "known_hosts"), confirm=lambda host, shown: False, key_file=machines[0].key)

    def ours(some: Sequence[Machine]) -> None:
        play("prepare", inventory(some), login, IN_A_LAB, Silent())

    def defaults(some: Sequence[Machine]) -> None:
        by_default(inventory(some), login, made)

    tell(f"prepare, the first time, {len(machines)} hosts", [took(lambda: ours(machines), machines)], None)
    compare("as we run it", ours, machines)
    compare("Ansible's defaults", defaults, machines)


@contextlib.contextmanager
def slowed(machines: Sequence[Machine]) -> Iterator[None]:
    """Bound each machine's share of this machine's processors; they are off afterwards."""
    quota = int(SHARE * PERIOD_US)
    groups = [CPU_GROUPS / one.cgroup.name for one in machines] if CPU_GROUPS.is_dir() else []
    try:
        for group, one in zip(groups, machines, strict=False):
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
            for process in processes(one):
                (group / "cgroup.procs").write_text(str(process.pid))
        for one in machines if not groups else ():
            (one.cgroup / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        yield
    finally:
        for one in machines:
            one.kill()
        made = [group for group in groups if group.is_dir()]
        wait_until(lambda: not any((group / "cgroup.procs").read_text() for group in made), 20)
        for group in made:
            group.rmdir()


def compare(name: str, run: Callable[[Sequence[Machine]], None], machines: Sequence[Machine]) -> None:
    """Measure a way to run the playbook again, on one host and on all.

    At most 1.5 times as long is wanted of ours, which takes hosts with processors of their own.
    """
    one, every = machines[:1], machines
    alone, together = [], []
    for _ in range(AGAIN):  # in turn, so that whatever else runs here meets both
        alone.append(took(lambda: run(one), one))
        together.append(took(lambda: run(every), every))
    tell(f"prepare again, {name}, 1 host", alone, None)
    tell(f"prepare again, {name}, {len(every)} hosts", together, None)
    ratios = [more.wall / less.wall for more, less in zip(together, alone, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, {AGAIN} pairs"
    say(f"  {len(every)} hosts take {statistics.median(ratios):.2f} times as long as one ({spread})")


def inventory(machines: Sequence[Machine]) -> Inventory:
    """Return the machines as an inventory, each with a key of its own that is pinned."""
    return Inventory(
        host=tuple(Host(name=one.name, address=one.v4, user=OPERATOR, host_key=one.host_key) for one in machines)
    )


def by_default(hosts: Inventory, login: Login, made: Path) -> None:
    """Run the playbook as somebody would who has configured nothing: no pipelining, five hosts at once."""
    (made / "ansible.cfg").write_text("")
    listed = {host.name: {"ansible_user": host.user} for host in hosts.host}
    (made / "inventory.json").write_text(json.dumps({"all": {"hosts": listed}}))
    (made / "variables.json").write_text(json.dumps(IN_A_LAB))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(made / "ansible.cfg"),
        # Its own default, and where the hosts and their keys are.
        "ANSIBLE_SSH_ARGS": f"-F {write_config(made, hosts, login)} -C -o ControlMaster=auto -o ControlPersist=60s",
    }
    words = ("-i", str(made / "inventory.json"), "-e", f"@{made}/variables.json", str(ROOT / "ansible" / "prepare.yml"))
    done = subprocess.run(
        (sys.executable, "-m", "ansible", "playbook", *words), env=environment, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"ansible-playbook -> {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")


def took(work: Callable[[], object], machines: Sequence[Machine]) -> Took:
    """Measure one run."""
    ours, theirs = of_children(), sum(map(of_host, machines))
    wall = time_of(work)
    return Took(wall, of_children() - ours, sum(map(of_host, machines)) - theirs)


def of_children() -> float:
    """Return the processor time of this process and of all that it has waited for, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def of_host(host: Machine) -> float:
    """Return the processor time of a booted host's processes, those among them that have ended."""
    used = 0.0
    for process in processes(host):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile: its parent has its time
            used += sum(process.cpu_times()[:4])
    return used


def processes(host: Machine) -> list[psutil.Process]:
    """Return the processes of a booted host."""
    first = psutil.Process(host.process_id)
    return [first, *first.children(recursive=True)]


def tell(what: str, runs: Sequence[Took], bound_s: float | None) -> None:
    """Print a figure, and the processor time in it."""
    ours, theirs = (statistics.median(side) for side in zip(*((run.ours, run.theirs) for run in runs), strict=True))
    how = f"processors: {ours:.1f} s operator, {theirs:.1f} s hosts"
    say(Figure(what, [run.wall for run in runs], bound_s, how).line())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else HOSTS)
