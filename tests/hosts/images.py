"""An image made on the spot: Python and the engine's imitation, of files that are here anyway."""

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
PACKAGES = "usr/lib/python3/dist-packages"


def engine_image(folder: Path, wheels: Iterable[Path], repository: str) -> Image:
    """Make the image of the imitated engine, in the form that bundles have, and return its name.

    Args:
        folder: becomes the bundle's; the image goes where bundles have images.
        wheels: those that it is made of, among others.
        repository: what it shall be called.

    """
    return write_image(folder, repository, _root(wheels))


def _root(wheels: Iterable[Path]) -> bytes:
    """Return the root folder as a tar file: the same bytes for the same files."""
    root, made = host_root("trixie"), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in ("bin", "lib", "lib64", "sbin"):
            add(tar, name, link=f"usr/{name}")
        for name in ("dev", "etc", "proc", "run", "sys", "tmp", "var/tmp"):
            add(tar, name)
        for path in _of_python(root):
            add(tar, path.relative_to(root).as_posix(), (root / path).read_bytes(), executable=True)
        add(tar, "usr/bin/python3", link=PYTHON)
        for wheel in sorted(wheels):
            if not wheel.name.startswith("traefik"):
                _add_wheel(tar, wheel)
        for source in sorted((ROOT / "sandbox" / "vllm_sim").rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                add(tar, f"{PACKAGES}/{source.relative_to(ROOT).as_posix()}", source.read_bytes())
        add(tar, f"{PACKAGES}/sandbox/__init__.py", b"")
    return made.getvalue()


def _of_python(root: Path) -> Iterable[Path]:
    """Yield the interpreter, its library, a shell, and the shared libraries of all of them."""
    home = root / "usr/lib" / PYTHON
    modules = [path for path in home.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    programs = [root / "usr/bin" / name for name in (PYTHON, "dash")]
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
