"""An image made on the spot: Python and the engine's imitation, of files that are here anyway."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from planner.images import folder_of
from planner.plan import Image
from tests.hosts.image import image as host_root

ROOT = Path(__file__).parents[2]
REPOSITORY = "registry.example/cloister/vllm-sim"
PYTHON = "python3.13"
"""Of trixie, whose files it is made of."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PACKAGES = "usr/lib/python3/dist-packages"


def engine_image(folder: Path, wheels: Path, repository: str = REPOSITORY) -> Image:
    """Make the image of the imitated engine, in the form that bundles have, and return its name.

    Args:
        folder: becomes the bundle's; the image goes where bundles have images.
        wheels: folder of the wheels that it is made of.
        repository: what it shall be called.

    """
    layer = gzip.compress(_layer(wheels), compresslevel=1, mtime=0)
    with gzip.open(io.BytesIO(layer)) as plain:
        inside = hashlib.sha256(plain.read()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/bin:/bin"], "User": "0:0"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{inside}"]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
        }
    ).encode()
    image = Image(repository=repository, digest=f"sha256:{_digest(manifest)}", command=())
    place = folder / folder_of(image)
    place.mkdir(parents=True)
    (place / "version").write_text("Directory Transport Version: 1.1\n")
    (place / "manifest.json").write_bytes(manifest)
    for blob in (config, layer):
        (place / _digest(blob)).write_bytes(blob)
    return image


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _descriptor(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": f"sha256:{_digest(content)}"}


def _layer(wheels: Path) -> bytes:
    """Return the root folder as a tar file: the same bytes for the same files."""
    root, made = host_root("trixie"), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in ("bin", "lib", "lib64", "sbin"):
            _add(tar, name, link=f"usr/{name}")
        for name in ("dev", "etc", "proc", "run", "sys", "tmp", "var/tmp"):
            _add(tar, name)
        for path in _of_python(root):
            _add(tar, path.relative_to(root).as_posix(), (root / path).read_bytes(), executable=True)
        _add(tar, "usr/bin/python3", link=PYTHON)
        for wheel in sorted(wheels.glob("*.whl")):
            if not wheel.name.startswith("traefik"):
                _add_wheel(tar, wheel)
        for source in sorted((ROOT / "sandbox" / "vllm_sim").rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                _add(tar, f"{PACKAGES}/{source.relative_to(ROOT).as_posix()}", source.read_bytes())
        _add(tar, f"{PACKAGES}/sandbox/__init__.py", b"")
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


def _add(
    tar: tarfile.TarFile, name: str, content: bytes | None = None, *, link: str = "", executable: bool = False
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.SYMTYPE if link else tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.linkname, entry.size = link, len(content or b"")
    entry.mode = 0o755 if executable or content is None else 0o644
    tar.addfile(entry, io.BytesIO(content) if content is not None else None)


def _add_wheel(tar: tarfile.TarFile, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                _add(tar, f"{PACKAGES}/{name}", archive.read(name))
