"""Whether a plan fits what a host has: pure, one verdict per thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from lifecycle.hosts.facts import Disk, Facts
from lifecycle.hosts.image_room import Room
from lifecycle.hosts.inventory import Host
from planner.catalogue import Catalogue, load_catalogue
from planner.images import LEAST_PODMAN
from planner.langfuse import langfuse_disk_gib
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan
from planner.profile import Profile

State = Literal["ok", "note", "no"]

SYSTEMS = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
SYSTEMS_IN_WORDS = "Debian 12 or 13, Ubuntu 22.04 or 24.04"
CONTAINERS = {"docker", "podman", "lxc", "lxc-libvirt", "openvz", "rkt", "wsl", "container-other"}
"""Answers of `systemd-detect-virt` where the firewall is the provider's. A booted systemd-nspawn has one of its own."""
LOWEST_SYSTEMD = 249
"""Of Ubuntu 22.04; Debian 12 has 252. `LoadCredentialEncrypted=` came with 250, so there credentials stay plain."""
SPARE_DISK_GIB = 30.0
"""Beside the weights: the engine's environment with CUDA's libraries (about 12 GiB), logs, and room to replace both."""
SPARE_WITH_IMAGE_GIB = 6.0
"""The same where the engine's environment is an image, whose own room is counted apart."""
SPARE_WITHOUT_ENGINE_GIB = 1.0
"""The same where an imitation takes the engine's place: no CUDA, and no weights."""
SPARE_MEMORY_GIB = 2.0
"""For the system itself."""
MEMORY_TOLERANCE = 0.97
"""The driver keeps some of what the data sheet says."""
WORST_SKEW_S = 30.0
"""Tokens are checked with this leeway."""
NOTED_SKEW_S = 2.0
WEIGHTS_FOLDER = "/var/lib/cloister"


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan asks of the host that runs it. Sizes in GiB."""

    gpu: str
    """Title of the GPU, as the catalogue has it."""
    gpus: int
    gpu_memory_gib: float
    weights_gib: float
    memory_gib: float
    published_ports: tuple[int, ...]
    kept_gib: float = 0.0
    """What services may keep on the disk, beside what every stack does."""
    images: bool = False
    """Something runs from an image, which takes a Podman with Quadlets."""
    engine_in_image: bool = False
    """The engine does, and is not installed on the host itself."""
    rooms: tuple[Room, ...] | None = None
    """What images take on the host's disks; None where nobody said which bundle they lie in."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `no`: the plan does not fit; `note`: it does, but somebody should know."""

    what: str
    state: State
    found: str
    remedy: str = ""


def plan_for_a_host(profile: Profile) -> Plan:
    """Return a profile's plan for one host that has all that it asks for: what another must be held against.

    Raises:
        PlanError: the profile cannot be planned.

    """
    host = HostPlan(name="host", address="127.0.0.1", gpus=profile.hardware.count * (profile.hardware.replicas or 1))
    return make_plan(profile, load_catalogue(), Site(stack="default", target="metal", hosts=(host,)))


def needs_of(plan: Plan, catalogue: Catalogue) -> Needs:
    """Return what a plan asks of one host."""
    gpu = catalogue.gpus[plan.engine.gpu]
    engines = [service for service in plan.services if service.name.partition("-")[0] == "engine"]
    gpus = sum(service.gpus for service in engines if service.artefact == plan.engine.name)
    return Needs(
        gpu=gpu.title,
        gpus=gpus,
        gpu_memory_gib=gpu.memory_gib,
        weights_gib=plan.model.weights_gib if gpus else 0.0,
        memory_gib=sum(service.limits.memory_mib for service in plan.services if service not in engines) / 1024,
        published_ports=tuple(
            port.number for service in plan.services for port in service.ports if port.binding == "published"
        ),
        kept_gib=langfuse_disk_gib(plan),
        images=any(service.image for service in plan.services),
        engine_in_image=any(service.image for service in engines),
    )


def but_for_our_own(needs: Needs) -> Needs:
    """Return what is asked of a host that carries the stack already.

    The stack itself has taken the endpoint's port, and some of the room for what its services keep.
    """
    return msgspec.structs.replace(needs, published_ports=(), kept_gib=0.0)


def fit(host: Host, facts: Facts, needs: Needs | None, catalogue: Catalogue) -> tuple[Verdict, ...]:
    """Judge a host: by itself, against what the inventory says of it, and against a plan where there is one."""
    verdicts = [*_system(facts), *_clock(facts), *_gpus(facts), *_declared(host, facts, catalogue)]
    if needs and needs.images:
        verdicts.append(_podman(facts, catalogue))
    verdicts += [*_against(facts, needs)] if needs else [*_disks(facts, [_own_room(SPARE_DISK_GIB)])]
    return tuple(verdicts)


def fits(verdicts: tuple[Verdict, ...]) -> bool:
    """Tell whether nothing speaks against it."""
    return all(verdict.state != "no" for verdict in verdicts)


def _system(facts: Facts) -> Iterator[Verdict]:
    known = (facts.os, facts.release) in SYSTEMS
    title = facts.os_title or "an unknown system"
    yield _verdict("system", known, title, f"Install {SYSTEMS_IN_WORDS}: nothing else is supported.")
    yield _verdict(
        "architecture", facts.machine == "x86_64", facts.machine, "GPU engines and artefacts are built for x86_64 here."
    )
    yield _verdict(
        "machine of its own",
        facts.virtualization not in CONTAINERS,
        facts.virtualization or "unknown",
        "In a container the firewall and the kernel are the provider's, so the stack cannot be made private there: "
        "take a virtual machine or bare metal.",
    )
    if facts.nftables is False:
        remedy = (
            "The kernel cannot have the firewall that makes the stack private, and in rented containers it is not "
            "yours to change: take a machine with a distribution's own kernel."
        )
        yield Verdict(what="firewall", state="no", found="a kernel without nf_tables", remedy=remedy)
    if facts.public_addresses:
        remedy = (
            "The host's own firewall is the only wall before it: name the networks of clients and operators, use the "
            "provider's firewall as well, and look at `verify` from outside."
        )
        found = ", ".join(facts.public_addresses)
        yield Verdict(what="public address", state="note", found=found, remedy=remedy)
    yield _verdict(
        "systemd",
        facts.systemd is not None and facts.systemd >= LOWEST_SYSTEMD,
        f"{facts.systemd or 'none'} ({facts.state or 'unknown'})",
        f"Units need systemd {LOWEST_SYSTEMD} or later as process 1.",
    )
    if facts.state == "degraded":
        yield Verdict(what="units", state="note", found="degraded", remedy="`systemctl --failed` on the host.")
    if facts.cgroup != 2:
        remedy = "Without the unified hierarchy systemd's IPAddressDeny has no effect; the firewall still holds."
        yield Verdict(what="cgroups", state="note", found=f"version {facts.cgroup or 'unknown'}", remedy=remedy)
    remedy = (
        "Log in as root, let this user use sudo without a password for the time of the set-up, or give its "
        "password with --sudo-password-file."
    )
    yield _verdict("root", facts.root, "yes" if facts.root else "no sudo without a password", remedy)
    remedy = "Install python3: Ansible runs on it."
    yield _verdict("Python", bool(facts.python), facts.python or "none", remedy)


def _podman(facts: Facts, catalogue: Catalogue) -> Verdict:
    """Judge the Podman that the release brings: it comes from the bundle, so what is there now says nothing."""
    release = next((row for row in catalogue.releases.values() if row.title == _title(facts)), None)
    least = ".".join(map(str, LEAST_PODMAN))
    known = release is not None and tuple(map(int, release.podman.split("."))) >= LEAST_PODMAN
    able = ", ".join(
        row.title for row in catalogue.releases.values() if tuple(map(int, row.podman.split("."))) >= LEAST_PODMAN
    )
    found = f"{release.podman}, of {release.title}" if release else "unknown"
    remedy = (
        f"Images run as Quadlets, which take Podman {least}: bring the host to {able}, or leave `engine.image` out, "
        "which installs the engine on the host itself, and `[langfuse]`, which has images alone."
    )
    return _verdict("Podman", known, found, remedy)


def _title(facts: Facts) -> str:
    """Return a release's title as the catalogue has it."""
    return f"{facts.os.capitalize()} {facts.release}"


def _clock(facts: Facts) -> Iterator[Verdict]:
    skew = abs(facts.clock_skew_s)
    found = f"{facts.clock_skew_s:+.0f} s from ours, " + (facts.time_service or "no time service")
    if skew > WORST_SKEW_S:
        remedy = "Set the clock: tokens and certificates would be refused."
        yield Verdict(what="clock", state="no", found=found, remedy=remedy)
    elif skew > NOTED_SKEW_S or facts.synchronised is False:
        yield Verdict(
            what="clock",
            state="note",
            found=found,
            remedy="The set-up installs chrony; name a time server: `[[out]]` of the inventory.",
        )
    else:
        yield Verdict(what="clock", state="ok", found=found)


def _gpus(facts: Facts) -> Iterator[Verdict]:
    """Judge driver and fabric by themselves: they must agree whatever the plan is."""
    if facts.gpu_error or (facts.nvidia_devices and not facts.gpus):
        found = facts.gpu_error or f"{facts.nvidia_devices} NVIDIA devices on the bus, and no working driver"
        remedy = "Kernel module and library must have one version: install the driver, then reboot the host."
        yield Verdict(what="driver", state="no", found=found, remedy=remedy)
        return
    if not facts.gpus:
        return
    versions = sorted({gpu.driver for gpu in facts.gpus} | ({facts.driver_loaded} - {""}))
    remedy = "Kernel module and library differ: reboot the host after the driver's update."
    yield _verdict("driver", len(versions) == 1, " and ".join(versions), remedy)
    if not facts.nvswitches:
        return
    manager = facts.fabric_manager
    if manager is None:
        remedy = "Install nvidia-fabricmanager in exactly the driver's version: without it CUDA does not start."
        yield Verdict(what="fabric manager", state="no", found="none", remedy=remedy)
    else:
        good = manager.state == "active" and manager.version == versions[0]
        remedy = f"It must be active and have the driver's version, {versions[0]}."
        yield _verdict("fabric manager", good, f"{manager.version}, {manager.state}", remedy)


def _declared(host: Host, facts: Facts, catalogue: Catalogue) -> Iterator[Verdict]:
    """Compare with what the inventory says is in the host."""
    if host.gpus is not None:
        found = f"{len(facts.gpus)} of {host.gpus}"
        remedy = "A GPU may have fallen off the bus: look at `dmesg`, or mend the inventory."
        yield _verdict("GPUs of the inventory", len(facts.gpus) == host.gpus, found, remedy)
    if host.gpu:
        row = catalogue.gpus.get(host.gpu)
        found = _names(facts)
        good = row is not None and bool(facts.gpus) and all(_is(gpu.name, row.title) for gpu in facts.gpus)
        yield _verdict("GPU of the inventory", good, found, f"The inventory says {host.gpu}: mend one or the other.")


def _against(facts: Facts, needs: Needs) -> Iterator[Verdict]:
    if needs.gpus:
        alike = [gpu for gpu in facts.gpus if _is(gpu.name, needs.gpu)]
        remedy = f"The plan needs {needs.gpus} x {needs.gpu}: another host, or another profile."
        yield _verdict("GPUs", len(alike) >= needs.gpus, _names(facts), remedy)
        least = min((gpu.memory_mib / 1024 for gpu in alike), default=None)
        if least is not None:
            enough = least >= needs.gpu_memory_gib * MEMORY_TOLERANCE
            remedy = f"The plan counts on {needs.gpu_memory_gib:g} GiB each; is the GPU cut into MIG instances?"
            yield _verdict("GPU memory", enough, f"{least:.1f} GiB each", remedy)
        if needs.gpus > 1 and alike and not facts.nvlinks:
            remedy = "The GPUs talk over PCIe: expect less than the plan's rates."
            yield Verdict(what="NVLink", state="note", found="no active link", remedy=remedy)
    remedy = f"The plan's services may take {needs.memory_gib:.1f} GiB beside the engine."
    enough = facts.memory_gib >= needs.memory_gib + SPARE_MEMORY_GIB
    yield _verdict("memory", enough, f"{facts.memory_gib:g} GiB", remedy)
    yield from _disks(facts, [_own_room(needs.weights_gib + needs.kept_gib + _spare(needs)), *(needs.rooms or ())])
    if needs.images and needs.rooms is None:
        remedy = "An image's size is known from its bundle alone: name it (--bundle) to have its room counted."
        yield Verdict(what="images", state="note", found="of unknown size", remedy=remedy)
    yield from _ports(facts, needs)


def _spare(needs: Needs) -> float:
    if not needs.gpus:
        return SPARE_WITHOUT_ENGINE_GIB
    return SPARE_WITH_IMAGE_GIB if needs.engine_in_image and needs.rooms is not None else SPARE_DISK_GIB


def _own_room(gib: float) -> Room:
    return Room(path=WEIGHTS_FOLDER, gib=gib, what="weights, programs and logs")


def _disks(facts: Facts, rooms: Iterable[Room]) -> Iterator[Verdict]:
    """Judge each disk by all that it is to hold."""
    held: dict[Disk | None, list[Room]] = {}
    for room in rooms:
        held.setdefault(facts.disk_of(room.path), []).append(room)
    for disk, several in held.items():
        yield _disk(disk, several)


def _disk(disk: Disk | None, rooms: Sequence[Room]) -> Verdict:
    if disk is None:
        return Verdict(what="disk", state="no", found="unknown", remedy=f"Nothing is mounted at {rooms[0].path}.")
    missing = sum(room.gib for room in rooms) - disk.free_gib
    short = f", {max(missing, 0.1):.1f} GiB too few" if missing > 0 else ""
    found = f"{disk.free_gib:g} GiB free at {disk.mount} ({disk.kind}{'' if disk.writable else ', read-only'}){short}"
    needed = ", ".join(f"{room.path} needs {room.gib:.1f} GiB ({room.what})" for room in rooms)
    remedy = f"{needed}, on a disk that can be written: free space, or mount one there."
    return _verdict("disk", disk.writable and missing <= 0, found, remedy)


def _ports(facts: Facts, needs: Needs) -> Iterator[Verdict]:
    if facts.listening is None:
        yield Verdict(what="ports", state="note", found="unknown", remedy="Install iproute2 on the host.")
        return
    taken = sorted({one.port for one in facts.listening if one.protocol == "tcp"} & set(needs.published_ports))
    found = f"{', '.join(map(str, taken))} in use" if taken else "free"
    yield _verdict("ports", not taken, found, "Another program listens there: stop it, or choose another port.")


def _is(name: str, title: str) -> bool:
    """Tell whether a GPU that calls itself `name` is what the catalogue calls `title`.

    `nvidia-smi` does not say SXM: an H200 SXM is `NVIDIA H200`, an H200 NVL `NVIDIA H200 NVL`. Both do for a plan of
    H200s, for memory and its bandwidth are the same; the missing NVLinks are noted apart.
    """
    wanted = title.removesuffix(" SXM").removeprefix("NVIDIA ").split()[0]
    return wanted in name.replace("-", " ").split()


def _names(facts: Facts) -> str:
    names = [gpu.name for gpu in facts.gpus]
    return ", ".join(f"{names.count(name)} x {name}" for name in sorted(set(names))) or "none"


def _verdict(what: str, good: bool, found: str, remedy: str) -> Verdict:  # noqa: FBT001 - two words at every call
    return Verdict(what=what, state="ok" if good else "no", found=found, remedy="" if good else remedy)
