"""A container is as shut in as a service of the host's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from planner.layout import HOST_LAYOUT
from policies import examples
from policies.files import Unit
from policies.readers import on_containers
from policies.rule import Answer, Example, Rule, Violated

SECTION = "Container"
KNOWN = frozenset(
    {
        "AddDevice",
        "ContainerName",
        "DropCapability",
        "Environment",
        "Exec",
        "Image",
        "LogDriver",
        "Network",
        "NoNewPrivileges",
        "PodmanArgs",
        "Pull",
        "ReadOnly",
        "RunInit",
        "Volume",
    }
)
"""Settings that are judged here, or harmless; any other may undo them (`AddCapability=`, `PublishPort=`, `Unmask=`)."""
OPTIONS = frozenset({"--entrypoint", "--pids-limit", "--shm-size", "--stop-timeout", "--ulimit", "--user"})
"""Of `podman run`; any other may undo them as well (`--privileged`, `--cap-add`, `--pid=host`)."""
SETTINGS = {
    "Image": (re.compile(r"[^@\s]+/[^@\s]+@sha256:[0-9a-f]{64}"), "it runs an image that no digest names"),
    "Pull": (re.compile("never"), "it may fetch an image from a registry"),
    "ReadOnly": (re.compile("true|yes|on|1"), "it may change its own programs"),
    "NoNewPrivileges": (re.compile("true|yes|on|1"), "it may become root by a setuid program"),
    "DropCapability": (re.compile("all|ALL"), "it keeps capabilities"),
    "Network": (re.compile("host|none"), "it has a network past the host's firewall"),
}
"""Settings, what they must be, and what is open otherwise."""
USER = re.compile(r"\$\{CLOISTER_USER\}|[1-9][0-9]*(:[1-9][0-9]*)?")
"""The number that the unit itself looks up, or one that is not root's."""
WRITES = (f"{HOST_LAYOUT.data}/",)
"""Below these, services have folders of their own."""
NOBODYS = ("/", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/usr", "/var", "/var/lib")
"""Folders with what other services run, trust or keep, which no container is shown."""
DEVICES = re.compile(r"nvidia\.com/gpu=[0-9]+")


def _judge(unit: Unit) -> Iterator[Answer]:
    for name in sorted(set(unit.names(SECTION)) - KNOWN):
        yield Violated(f"it has a setting that may open it (`{name}={unit.value(name, SECTION)}`)")
    for name, (good, otherwise) in SETTINGS.items():
        value = unit.value(name, SECTION) or ""
        if not good.fullmatch(value):
            yield Violated(f"{otherwise} (`{name}` is {value or 'missing'})")
    yield from _options(unit)
    for volume in unit.values("Volume", SECTION):
        yield from _volume(volume)
    for device in unit.values("AddDevice", SECTION):
        if not DEVICES.fullmatch(device):
            yield Violated(f"it has a device that is no GPU (`AddDevice={device}`)")


def _options(unit: Unit) -> Iterator[Answer]:
    words = [word for line in unit.values("PodmanArgs", SECTION) for word in shlex.split(line)]
    users = [word.partition("=")[2] for word in words if word.startswith("--user=")]
    if not users or not USER.fullmatch(users[-1]):
        yield Violated(f"it runs as root (`--user` is {users[-1] if users else 'missing'})")
    for word in words:
        if word.partition("=")[0] not in OPTIONS or "=" not in word:
            yield Violated(f"it has an option that may open it (`PodmanArgs={word}`)")


def _volume(volume: str) -> Iterator[Answer]:
    source, _, rest = volume.partition(":")
    options = rest.partition(":")[2].split(",")
    folder = source.rstrip("/") or "/"
    if ".." in source or not source.startswith("/") or folder in NOBODYS or folder.endswith(".sock"):
        yield Violated(f"it sees {source} of the host (`Volume`)")
    elif "ro" not in options and not folder.startswith(WRITES):
        yield Violated(f"it may write to {source} (`Volume`)")
    elif folder.startswith(HOST_LAYOUT.secrets):
        yield Violated(f"it sees every secret of the stack, {source} (`Volume`)")


RULE = Rule(
    id="containers-contained",
    title="Containers have no rights, no other files and no other network than services of the host",
    family="hosts",
    severity="critical",
    why=(
        "A container is set up by root. With a capability, a writable image, a folder of the host or a network of its "
        "own it gets past what keeps a plain service in, and an image by its tag is another one tomorrow."
    ),
    remediation=(
        "Take the setting or option that the message names out of the Quadlet, and name the image as "
        "REPOSITORY@sha256:DIGEST; `deploy verify` looks at what runs."
    ),
    controls=("nist AC-6", "nist SC-39", "nist SI-7", "iso27001 A.8.9", "soc2 CC6.8"),
    references=(
        "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html",
        "https://docs.podman.io/en/latest/markdown/podman-run.1.html",
    ),
    good=(
        Example("everything shut", files=examples.quadlet()),
        Example("a GPU", files=examples.quadlet({"AddDevice": "nvidia.com/gpu=0"})),
        Example("weights to read", files=examples.quadlet({"Volume": "/srv/weights/x:/srv/weights/x:ro"})),
    ),
    bad=(
        Example("an image by its tag", files=examples.quadlet({"Image": "registry.example/vllm:latest"})),
        Example("an image from a registry", files=examples.quadlet({"Pull": "missing"})),
        Example("an image that may be written", files=examples.quadlet({"ReadOnly": "false"})),
        Example("capabilities", files=examples.quadlet({"DropCapability": ...})),
        Example("one capability", files=examples.quadlet({"AddCapability": "CAP_SYS_ADMIN"})),
        Example("new privileges", files=examples.quadlet({"NoNewPrivileges": "false"})),
        Example("a network of its own", files=examples.quadlet({"Network": "bridge"})),
        Example("a published port", files=examples.quadlet({"PublishPort": "8000:8000"})),
        Example("root", files=examples.quadlet({"PodmanArgs": "--user=0"})),
        Example("the image's own user", files=examples.quadlet({"PodmanArgs": "--stop-timeout=40"})),
        Example("all rights", files=examples.quadlet({"PodmanArgs": ["--user=${CLOISTER_USER}", "--privileged"]})),
        Example("Podman's socket", files=examples.quadlet({"Volume": "/run/podman/podman.sock:/x:ro"})),
        Example("all of /etc", files=examples.quadlet({"Volume": "/etc:/etc:ro"})),
        Example("weights to write", files=examples.quadlet({"Volume": "/srv/weights/x:/srv/weights/x:rw"})),
        Example("every secret", files=examples.quadlet({"Volume": "/etc/cloister/credentials:/secrets:ro"})),
        Example("a disk", files=examples.quadlet({"AddDevice": "/dev/sda"})),
    ),
    on_files=on_containers(_judge),
)
