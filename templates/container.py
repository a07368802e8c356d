"""What a container is given of its host: its own folders, what it reads, its GPUs, and nothing besides.

It shares the host's network, where the firewall and the unit's own `IPAddressDeny=` see it as any other program, and
where it binds loopback as every service but the edge does. Its user is the service's own, by number: the image knows
no other name for it.
"""

from __future__ import annotations

import msgspec

from planner.layout import Layout
from planner.plan import Image, Service

PODMAN = "/usr/bin/podman"
CDI_MAKER = "/usr/bin/nvidia-ctk"
"""Describes the driver's devices and libraries for containers (Container Device Interface)."""
CDI_FILE = "/run/cdi/nvidia.yaml"
"""Where Podman finds that description, and where NVIDIA's own service would write it."""
SHARED_MEMORY = "16g"
"""Of processes of an engine, which pass messages and tensors there; 64 MiB, Podman's own size, are too few (vLLM's
documentation, "Using Docker"). What is used counts as the unit's memory."""
DATA_OPTIONS = "rw,nodev,nosuid"
READ_OPTIONS = "ro,nodev,nosuid"


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file that a container sees."""

    source: str
    target: str
    options: str


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """What a Quadlet's `[Container]` says.

    Attributes:
        name: of the container.
        image: what it runs.
        entry: the program's first word.
        words: all others of its command line.
        environment: of the program.
        volumes: what it sees of the host.
        devices: by their CDI names.
        options: of `podman run`, for which Quadlets have no key in every version.
        runtime: folder below `/run` with its user's number and its credentials, which ends with the unit.

    """

    name: str
    image: Image
    entry: str
    words: tuple[str, ...]
    environment: dict[str, str]
    volumes: tuple[Volume, ...]
    devices: tuple[str, ...]
    options: tuple[str, ...]
    runtime: str


def with_secrets(service: Service, programs: str) -> tuple[str, ...]:
    """Return the beginning of a command line that puts credentials into the program's environment; none without any."""
    if not service.secret_env:
        return ()
    pairs = (f"{variable}={secret}" for variable, secret in service.secret_env.items())
    return (f"{programs}/with-secrets", *pairs, "--")


def container(service: Service, image: Image, layout: Layout, *, user: str, unit: str, programs: str) -> Container:
    """Return a service as a container.

    Args:
        service: what runs.
        image: from which.
        layout: the host's folders, which have the same paths inside.
        user: that it runs as.
        unit: its own.
        programs: folder of the small programs that units start.

    """

    def expand(text: str) -> str:
        return layout.expand(service.name, text)

    credentials = f"/run/credentials/{unit}"
    entry, *words = (*with_secrets(service, programs), *image.command, *map(expand, service.args))
    given = bool(service.secret_env or service.secret_files)
    return Container(
        name=user,
        image=image,
        entry=entry,
        words=tuple(words),
        environment={
            "HOME": expand("{data}"),
            **{name: expand(value) for name, value in service.env.items()},
            **({"CREDENTIALS_DIRECTORY": credentials} if given else {}),
        },
        volumes=(
            Volume(source=expand("{data}"), target=expand("{data}"), options=DATA_OPTIONS),
            *(Volume(source=path, target=path, options=READ_OPTIONS) for path in _read(service, layout, programs)),
            *((Volume(source=f"/run/{user}/credentials", target=credentials, options=READ_OPTIONS),) if given else ()),
        ),
        devices=tuple(f"nvidia.com/gpu={service.first_gpu + number}" for number in range(service.gpus))
        if "gpu" in service.needs
        else (),
        options=tuple(_options(service)),
        runtime=user,
    )


def _read(service: Service, layout: Layout, programs: str) -> list[str]:
    """Return what it only reads: weights, its configuration, and the program that begins it."""
    words = (*service.args, *service.env.values(), *service.check)
    found = list(service.reads)
    if any("{config}" in word for word in words):
        found.append(layout.expand(service.name, "{config}"))
    if service.secret_env:
        found.append(f"{programs}/with-secrets")
    return found


def _options(service: Service) -> list[str]:
    """Return the options of `podman run`. Memory and processes are limited by the unit, which holds the container."""
    found = ["--pids-limit=-1", f"--ulimit=nofile={service.limits.open_files}", "--ulimit=core=0"]
    if "gpu" in service.needs:
        found.append(f"--shm-size={SHARED_MEMORY}")
    if "rdma" in service.needs:
        found.append("--ulimit=memlock=-1")
    return found
