"""How tightly a unit is shut in, and what opens it for the few that need more: every opening has its reason."""

from __future__ import annotations

import msgspec

from planner.plan import Need

SANDBOX: dict[str, str] = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "DevicePolicy": "closed",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service\nSystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber": "EPERM",
    "KeyringMode": "private",
    "RemoveIPC": "yes",
    "UMask": "0077",
    "IPAddressDeny": "any",
    "IPAddressAllow": "localhost",
}
"""What every unit has (systemd.exec(5), systemd.resource-control(5)). The firewall enforces the last two once more,
for hosts whose control groups cannot."""


CLIENTS = "clients, whose connections it answers"
PEERS = "the replica's own nodes, and no others"
SERVERS = "servers that it asks, and no others"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a unit, and why it is not what every unit has; no reasons where it is."""

    name: str
    value: str
    reasons: tuple[str, ...] = ()


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that something needs otherwise."""

    name: str
    value: str
    why: str


OPENINGS: dict[Need, tuple[Opening, ...]] = {
    "gpu": (
        Opening(name="PrivateDevices", value="no", why="the GPUs are devices: /dev/nvidia*"),
        Opening(name="DeviceAllow", value="char-nvidia* rw", why="these devices, and no others"),
        Opening(
            name="PrivateUsers", value="no", why="the driver looks at who uses a device, and knows real users alone"
        ),
        Opening(name="ProcSubset", value="all", why="CUDA reads the driver's figures in /proc/driver/nvidia"),
        Opening(
            name="RestrictAddressFamilies",
            value="AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            why="NCCL lists network interfaces by netlink",
        ),
        Opening(
            name="SystemCallFilter",
            value="@system-service\nSystemCallFilter=~@privileged",
            why="processes bind themselves and their memory to the GPU's processor: mbind, sched_setaffinity",
        ),
    ),
    "jit": (Opening(name="MemoryDenyWriteExecute", value="no", why="kernels are compiled for the GPU while it runs"),),
    "rdma": (
        Opening(
            name="LimitMEMLOCK",
            value="infinity",
            why="network cards read and write this memory while it stays in place",
        ),
        Opening(
            name="DeviceAllow",
            value="char-nvidia* rw\nDeviceAllow=char-infiniband* rw",
            why="network cards that speak to other nodes' GPUs",
        ),
    ),
    "peers": (),
    "host-figures": (
        Opening(name="ProcSubset", value="all", why="it reports figures of the whole host, which stand in /proc"),
        Opening(
            name="RestrictAddressFamilies",
            value="AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            why="it reads the counters of network interfaces by netlink",
        ),
    ),
    "metadata": (
        Opening(
            name="IPAddressAllow",
            value="localhost 169.254.169.254",
            why="EC2's metadata service says when the instance is taken back",
        ),
    ),
    "outbound": (
        Opening(
            name="IPAddressAllow",
            value="any",
            why="it asks machines that are known by name: the firewall says which ones it reaches",
        ),
    ),
}


def settings(
    needs: tuple[Need, ...], clients: tuple[str, ...], peers: tuple[str, ...] = (), servers: tuple[str, ...] = ()
) -> tuple[Setting, ...]:
    """Return the sandbox of a unit, line by line.

    Args:
        needs: what it cannot do without.
        clients: networks whose connections it answers.
        peers: addresses of the replica's nodes, which speak with each other.
        servers: addresses outside of the host that it asks.

    """
    found = {name: Setting(name=name, value=value) for name, value in SANDBOX.items()}
    for networks, why in ((clients, CLIENTS), (peers, PEERS), (servers, SERVERS)):
        if networks:
            value = " ".join(("localhost", *networks))
            found["IPAddressAllow"] = Setting(name="IPAddressAllow", value=value, reasons=(why,))
    for need in needs:
        for opening in OPENINGS[need]:
            before = found.get(opening.name)
            reasons = (*(before.reasons if before else ()), opening.why)
            found[opening.name] = Setting(name=opening.name, value=opening.value, reasons=reasons)
    return tuple(found.values())
