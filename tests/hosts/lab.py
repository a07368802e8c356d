"""Networks of namespaces on this machine, and the hosts and onlookers in them; taken away whatever happens.

One lab exists per machine at a time (a file lock), under fixed names, so that whatever a killed run left behind is
found and removed by the next.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psutil
from filelock import FileLock

from tests.hosts.image import Release
from tests.hosts.machine import Machine

FOLDER = Path("/var/tmp/cloister-hosts")
"""Of the machines' own files: a tmpfs, so that overlays work on any machine and one unmount takes all away."""
PREFIX = "cl-"
"""Beginning of every namespace's name."""
SWITCHES = f"{PREFIX}lab"
"""The namespace that holds the bridges."""
OUR_LEG = "cl-operator"
"""This machine's own interface, on the first network."""
MOST_MACHINES = 2
LOCK_WAIT_S = 100


class Address(msgspec.Struct, frozen=True):
    """Where something is on a network."""

    network: int
    number: int

    @property
    def v4(self) -> str:
        """IPv4 address."""
        return f"10.213.{self.network}.{self.number}"

    @property
    def v6(self) -> str:
        """IPv6 address, from the unique local range."""
        return f"fd42:c1:{self.network + 1}::{self.number}"


class Namespace:
    """A member of one or more networks: the network side of a host, or an onlooker that probes."""

    def __init__(self, name: str, addresses: tuple[Address, ...]) -> None:
        self.name = f"{PREFIX}{name}"
        self.addresses = addresses

    @property
    def v4(self) -> str:
        """Its IPv4 address on its first network."""
        return self.addresses[0].v4

    @property
    def v6(self) -> str:
        """Its IPv6 address on its first network."""
        return self.addresses[0].v6

    def run(self, *command: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine with this namespace's network."""
        words = ("ip", "netns", "exec", self.name, *command)
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Run a program with this namespace's network for as long as the block lasts."""
        words = ("ip", "netns", "exec", self.name, *command)
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def reaches(self, address: str, port: int, *, timeout_s: float = 1.5) -> bool:
        """Tell whether a TCP connection from here comes about."""
        code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
        return self.run(sys.executable, "-I", "-c", code, address, str(port), str(timeout_s)).returncode == 0


class Lab:
    """All networks, machines and onlookers of a test. A context manager.

    Args:
        most: hosts that run at the same time: tests share a machine with others.
        disk_gib: what all hosts may write together, in memory.

    """

    def __init__(self, most: int = MOST_MACHINES, disk_gib: int = 3) -> None:
        self.most = most
        self.disk_gib = disk_gib
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(f"{FOLDER}.lock", timeout=LOCK_WAIT_S)
        self.machines: list[Machine] = []
        self._members: dict[int, int] = {}

    def __enter__(self) -> Self:
        self.lock.acquire()
        try:
            sweep()
            FOLDER.mkdir(mode=0o700, exist_ok=True)
            _do("mount", "-t", "tmpfs", "-o", f"mode=0700,size={self.disk_gib}g", "cloister-hosts", str(FOLDER))
            _do("ip", "netns", "add", SWITCHES)
            self._join(None, OUR_LEG, self._address(0))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            for machine in self.machines:
                machine.kill()
        finally:
            sweep()
            self.lock.release()

    def onlooker(self, name: str, *networks: int) -> Namespace:
        """Make a namespace that is no host, on the given networks (the first when none is given)."""
        space = Namespace(name, tuple(self._address(network) for network in networks or (0,)))
        _do("ip", "netns", "add", space.name)
        _do("ip", "-n", space.name, "link", "set", "lo", "up")
        for number, address in enumerate(space.addresses):
            self._join(space.name, f"eth{number}", address)
        return space

    def host(self, release: Release, *networks: int, name: str = "") -> Machine:
        """Boot a host on the given networks (the first when none is given) and wait until it is up."""
        if sum(machine.is_running for machine in self.machines) >= self.most:
            raise AssertionError(f"at most {self.most} hosts run at once: tests share a machine with others")
        space = self.onlooker(name or f"h{len(self.machines)}", *networks)
        machine = Machine(release, space.name, space.addresses[0].v4, space.addresses[0].v6, FOLDER)
        self.machines.append(machine)
        machine.boot()
        return machine

    @contextlib.contextmanager
    def free(self, size: int) -> Iterator[None]:
        """Leave so many bytes free on the disk of all hosts, for as long as the block lasts."""
        wanted = shutil.disk_usage(FOLDER).used + size
        _do("mount", "-o", f"remount,size={wanted}", str(FOLDER))
        try:
            yield
        finally:
            _do("mount", "-o", f"remount,size={self.disk_gib}g", str(FOLDER))

    def _address(self, network: int) -> Address:
        number = self._members[network] = self._members.get(network, 0) + 1
        return Address(network, number)

    def _join(self, namespace: str | None, interface: str, address: Address) -> None:
        """Plug an interface into a network's bridge, which is made when it is first used."""
        bridge, plug = f"br{address.network}", f"p{address.network}-{address.number}"
        inside = ("ip", "-n", SWITCHES)
        if address.number == 1:
            _do(*inside, "link", "add", bridge, "type", "bridge")
            _do(*inside, "link", "set", bridge, "up")
        owner = namespace or "1"  # the namespace of process 1: this machine itself
        _do(*inside, "link", "add", plug, "type", "veth", "peer", "name", interface, "netns", owner)
        _do(*inside, "link", "set", plug, "master", bridge, "up")
        there = ("ip", "-n", namespace) if namespace else ("ip",)
        _do(*there, "address", "add", f"{address.v4}/24", "dev", interface)
        _do(*there, "address", "add", f"{address.v6}/64", "dev", interface, "nodad")
        _do(*there, "link", "set", interface, "up")


def sweep() -> None:
    """Remove every trace of a lab: machines, namespaces, mounts. Safe to call when there is none."""
    for name in _namespaces():
        for process in _strays(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(10)
        _do("ip", "netns", "delete", name)
    subprocess.run(("ip", "link", "delete", OUR_LEG), capture_output=True, check=False)
    for mount in sorted(_mounts(), reverse=True):
        _do("umount", "--lazy", mount)
    if FOLDER.is_dir():
        FOLDER.rmdir()


def _strays(namespace: str) -> Iterator[psutil.Process]:
    """Yield the processes that use a namespace's network."""
    listed = subprocess.run(("ip", "netns", "pids", namespace), capture_output=True, text=True, check=False).stdout
    for pid in listed.split():
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(int(pid))


def _namespaces() -> list[str]:
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(PREFIX)) if folder.is_dir() else []


def _mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1] for line in lines]
    return [point for point in points if point == str(FOLDER) or point.startswith(f"{FOLDER}/")]


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
