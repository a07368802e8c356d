"""Images made of files that are here anyway: Python, with the engine's imitation or what stands in for Langfuse."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from planner.plan import Image
from tests.hosts.image import image as host_root
from tests.images import add, write_image

ROOT = Path(__file__).parents[2]
PYTHON = "python3.13"
"""Of trixie, whose files it is made of."""
STANDS_IN_FOR = ("initdb", "postgres", "clickhouse-server", "valkey-server", "versitygw", "dumb-init", "node")
PACKAGES = "usr/lib/python3/dist-packages"


def engine_image(folder: Path, wheels: Iterable[Path], repository: str) -> Image:
    """Make the image of the imitated engine, in the form that bundles have, and return its name.

    Args:
        folder: becomes the bundle's; the image goes where bundles have images.
        wheels: those that it is made of, among others.
        repository: what it shall be called.

    """
    return write_image(folder, repository, _root(wheels))


def langfuse_stand_in(folder: Path, repository: str) -> Image:
    """Make the image of what stands in for all of Langfuse's programs, and return its name."""
    made, source = io.BytesIO(), (Path(__file__).parent / "langfuse_stand_in.py").read_bytes()
    with tarfile.open(fileobj=made, mode="w") as tar:
        _add_python(tar, "dash", "mkdir", "mv", "rm")
        add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        add(tar, "usr/bin/langfuse-stand-in", source, executable=True)
        for name in STANDS_IN_FOR:
            add(tar, f"usr/bin/{name}", link="langfuse-stand-in")
        for name in ("web", "worker"):
            add(tar, f"{name}/entrypoint.sh", b'#!/bin/sh\nexec "$@"\n', executable=True)
    return write_image(folder, repository, made.getvalue())


def _add_python(tar: tarfile.TarFile, *programs: str) -> None:
    """Add the folders that every image has, the interpreter, and programs of the host."""
    root = host_root("trixie")
    for name in ("bin", "lib", "lib64", "sbin"):
        add(tar, name, link=f"usr/{name}")
    for name in ("dev", "etc", "proc", "run", "sys", "tmp", "var/tmp"):
        add(tar, name)
    for path in _of_python(root, programs):
        add(tar, path.relative_to(root).as_posix(), (root / path).read_bytes(), executable=True)
    add(tar, "usr/bin/python3", link=PYTHON)


def _root(wheels: Iterable[Path]) -> bytes:
    """Return the root folder as a tar file: the same bytes for the same files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        _add_python(tar, "dash")
        for wheel in sorted(wheels):
            if not wheel.name.startswith("traefik"):
                _add_wheel(tar, wheel)
        for source in sorted((ROOT / "sandbox" / "vllm_sim").rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                add(tar, f"{PACKAGES}/{source.relative_to(ROOT).as_posix()}", source.read_bytes())
        add(tar, f"{PACKAGES}/sandbox/__init__.py", b"")
    return made.getvalue()


def _of_python(root: Path, others: tuple[str, ...]) -> Iterable[Path]:
    """Yield the interpreter, its library, other programs, and the shared libraries of all of them."""
    home = root / "usr/lib" / PYTHON
    modules = [path for path in home.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    programs = [root / "usr/bin" / name for name in (PYTHON, *others)]
    native = [*programs, *(path for path in modules if path.suffix == ".so")]
    words = ("chroot", str(root), "ldd", *(f"/{path.relative_to(root)}" for path in native))
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {word for line in said.splitlines() for word in line.split() if word.startswith("/") and ":" not in word}
    libraries = {root / "usr" / name.lstrip("/").removeprefix("usr/") for name in found}
    # Wheels name libraries that have long been part of this one.
    libraries |= {root / f"usr/lib/x86_64-linux-gnu/lib{name}" for name in ("pthread.so.0", "dl.so.2", "rt.so.1")}
    yield from sorted({*modules, *programs, *libraries, root / "usr/bin/sh"})


def _add_wheel(tar: tarfile.TarFile, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                add(tar, f"{PACKAGES}/{name}", archive.read(name))
