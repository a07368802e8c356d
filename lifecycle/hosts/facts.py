"""What a host is and has: read over SSH by a shell script that changes nothing, parsed into a record."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from importlib import resources
from typing import Literal

import msgspec

from lifecycle.hosts.ssh import Connection
from planner.errors import DeployError

READ_TIMEOUT_S = 60.0
KIB_PER_GIB = 2**20


class FactsError(DeployError):
    """The host's answer cannot be read."""

    code = "facts_unreadable"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of facts: strict in both directions, for they are kept as evidence."""


class Disk(Record, frozen=True, kw_only=True):
    """A mounted file system. Sizes in GiB."""

    mount: str
    kind: str
    total_gib: float
    free_gib: float
    writable: bool


class Listening(Record, frozen=True, kw_only=True):
    """A port that something listens on."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only the host itself reaches it."""
        return self.address.startswith("127.") or self.address == "::1"


class GpuFacts(Record, frozen=True, kw_only=True):
    """A GPU as `nvidia-smi` tells of it. Memory in MiB, clocks in MHz."""

    index: int
    name: str
    memory_mib: int
    driver: str
    clock_mhz: int | None
    max_clock_mhz: int | None
    persistence: bool
    pci: str


class FabricManager(Record, frozen=True, kw_only=True):
    """NVIDIA's fabric manager, which joins GPUs behind NVSwitches. `state` as systemd names it."""

    version: str
    state: str


class RdmaPort(Record, frozen=True, kw_only=True):
    """A port of an InfiniBand, RoCE or EFA device. Rate in Gbit/s."""

    device: str
    state: str
    rate_gbit_s: float


class Facts(Record, frozen=True, kw_only=True):
    """Everything that was read. Memory in GiB; None and empty text where it could not be found out."""

    os: str
    """`ID` of os-release, for example `debian`."""
    release: str
    """`VERSION_ID`, for example `12`."""
    os_title: str
    kernel: str
    machine: str
    """Architecture, for example `x86_64`."""
    systemd: int | None
    state: str
    """`systemctl is-system-running`."""
    cgroup: Literal[1, 2] | None
    virtualization: str
    """`systemd-detect-virt`: `none`, `kvm`, `docker`, `systemd-nspawn`, ..."""
    python: str
    root: bool
    """Logged in as root, or sudo works: without a password, or with the one that was given."""
    cpus: int
    memory_gib: float
    memory_free_gib: float
    numa_nodes: int
    disks: tuple[Disk, ...]
    clock_skew_s: float
    """The host's clock minus ours."""
    synchronised: bool | None
    time_service: str
    listening: tuple[Listening, ...] | None
    gpus: tuple[GpuFacts, ...]
    gpu_error: str
    """What `nvidia-smi` said when it failed."""
    nvidia_devices: int
    """NVIDIA functions on the PCI bus, GPUs and switches."""
    driver_loaded: str
    """Version of the kernel module."""
    nvswitches: int
    nvlinks: int
    """Active links of the first GPU."""
    fabric_manager: FabricManager | None
    rdma: tuple[RdmaPort, ...]
    addresses: tuple[str, ...] = ()
    """IP addresses of its network cards, without those of the link alone."""
    interfaces: dict[str, str] = {}
    """Which card has which of them."""
    nftables: bool | None = None
    """Whether its kernel can have the firewall."""

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """Those that the whole internet can send to, if nothing is in between."""
        return tuple(address for address in self.addresses if ipaddress.ip_address(address).is_global)

    def disk_of(self, path: str) -> Disk | None:
        """Return the file system that holds a path."""
        holding = [disk for disk in self.disks if f"{path}/".startswith(disk.mount.rstrip("/") + "/")]
        return max(holding, key=lambda disk: len(disk.mount), default=None)


def script() -> str:
    """Return the shell script that reads the facts."""
    return resources.files("lifecycle.hosts").joinpath("facts.sh").read_text(encoding="utf-8")


def read_facts(connection: Connection, now: Callable[[], float] = time.time) -> Facts:
    """Read a host's facts; nothing is written to it, not even the script.

    Raises:
        FactsError: it answers something else.
        SudoRefusedError: the password that sudo wants is wrong.
        CommandStuckError: it does not answer.

    """
    before = now()
    ran = connection.run("exec sh -s", text=script(), timeout_s=READ_TIMEOUT_S)
    # The script tells the time first: the answer is as old as the way there, not as the whole reading.
    try:
        facts = parse_facts(ran.stdout, asked_at=before)
    except (ValueError, KeyError, IndexError) as error:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise FactsError(
            f"{connection.host.name}: its facts cannot be read ({error}); it said: {said[0]}",
            hint="The login must have a POSIX shell. Hosts that run only one fixed command cannot be prepared.",
        ) from None
    root = facts.root or bool(connection.proven_sudo.password)
    return msgspec.structs.replace(facts, root=root)


def parse_facts(text: str, *, asked_at: float) -> Facts:
    """Turn the script's output into a record.

    Raises:
        ValueError, KeyError, IndexError: it is not such output, or not all of it.

    """
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"unexpected line {line!r}")
        said.setdefault(name, []).append(value.strip())

    def one(name: str, default: str = "") -> str:
        return said.get(name, [default])[0]

    if one("end") != "yes":
        raise ValueError("the answer is cut off")
    return Facts(
        os=one("os_ID"),
        release=one("os_VERSION_ID"),
        os_title=one("os_PRETTY_NAME"),
        kernel=one("kernel"),
        machine=one("machine"),
        systemd=int(said["systemd"][0]) if "systemd" in said else None,
        state=one("state"),
        cgroup={"cgroup2fs": 2, "tmpfs": 1}.get(one("cgroup")),  # type: ignore[arg-type]  # 1 and 2, as literals
        virtualization=one("virtualization"),
        python=one("python"),
        root=one("uid") == "0" or one("sudo") == "yes",
        cpus=int(said["cpus"][0]),
        memory_gib=_gib(said["memory_kib"][0]),
        memory_free_gib=_gib(said["memory_free_kib"][0]),
        numa_nodes=int(one("numa_nodes", "0")),
        disks=tuple(_disk(line) for line in said.get("disk", [])),
        clock_skew_s=round(int(said["clock"][0]) - asked_at, 1),
        synchronised={"yes": True, "no": False}.get(one("synchronised")),
        time_service=one("time_service"),
        listening=_listening(said) if "listening" in said else None,
        gpus=tuple(_gpu(line) for line in said.get("gpu", [])),
        gpu_error=one("gpu_error"),
        nvidia_devices=int(one("nvidia_pci", "0")),
        driver_loaded=one("driver_loaded"),
        nvswitches=int(one("nvswitches", "0")),
        nvlinks=int(one("nvlinks", "0")),
        fabric_manager=FabricManager(version=one("fabric_manager"), state=one("fabric_manager_state"))
        if "fabric_manager_state" in said
        else None,
        rdma=tuple(_rdma(line) for line in said.get("rdma", [])),
        addresses=tuple(sorted(line.split()[0] for line in said.get("address", []))),
        interfaces=dict(line.split(" ", 1) for line in said.get("address", []) if " " in line),
        nftables={"yes": True, "no": False}.get(one("nftables")),
    )


def _gib(kib: str) -> float:
    return round(int(kib) / KIB_PER_GIB, 1)


def _disk(line: str) -> Disk:
    kind, total, free, access, mount = line.split(" ", 4)
    return Disk(mount=mount, kind=kind, total_gib=_gib(total), free_gib=_gib(free), writable=access == "rw")


def _listening(said: dict[str, list[str]]) -> tuple[Listening, ...]:
    found = set()
    for protocol in ("tcp", "udp"):
        for line in said.get(protocol, []):
            address, _, port = line.split()[3].rpartition(":")
            found.add((protocol, address.strip("[]").partition("%")[0], int(port)))
    return tuple(
        Listening(protocol=protocol, address=address, port=port)  # type: ignore[arg-type]  # one of the two above
        for protocol, address, port in sorted(found)
    )


def _gpu(line: str) -> GpuFacts:
    index, name, memory, driver, clock, most, persistence, pci = (part.strip() for part in line.split(","))
    return GpuFacts(
        index=int(index),
        name=name,
        memory_mib=int(memory),
        driver=driver,
        clock_mhz=int(clock) if clock.isdigit() else None,
        max_clock_mhz=int(most) if most.isdigit() else None,
        persistence=persistence == "Enabled",
        pci=pci,
    )


def _rdma(line: str) -> RdmaPort:
    device, state, rate = line.split()
    return RdmaPort(device=device, state=state, rate_gbit_s=float(rate))
