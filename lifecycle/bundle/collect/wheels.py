"""Wheels for hosts: what a lock file names, for each Python that they have; pip checks every hash."""

from __future__ import annotations

import email
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from lifecycle.bundle.collect.found import Component, Found, cache_folder
from planner.catalogue.rows import Release
from planner.errors import DeployError

ROOT = Path(__file__).resolve().parents[3]
LOCKS = {"gateway": "requirements-host.lock", "engine": "requirements-engine.lock"}
"""Python environment of a host -> its lock file."""
UV_LOCK = "requirements-uv.lock"
OLDEST_PYTHON = (3, 11)
_OLDEST_GLIBC = 5
"""Wheels for manylinux begin with glibc 2.5."""


class WheelsError(DeployError):
    """A wheel could not be had."""

    code = "wheels_missing"


def check_python(release: Release) -> None:
    """Refuse a release whose Python is too old.

    Raises:
        WheelsError: it is.

    """
    if _version(release.python) < OLDEST_PYTHON:
        raise WheelsError(
            f"{release.title} comes with Python {release.python}, and what runs on hosts needs 3.11 or later",
            hint="Bring the host to a later release. A Python of one's own on it would take more than a bundle: nobody "
            "would keep it secure.",
            code="python_too_old",
        )


def collect_environment(name: str, releases: Sequence[Release]) -> Found:
    """Return the wheels of an environment, for all releases, and its requirements with their hashes.

    Raises:
        WheelsError: one is not to be had.

    """
    lock = (ROOT / LOCKS[name]).read_bytes()
    wheels = {wheel.name: wheel for release in releases for wheel in _downloaded(lock, release)}
    folder = f"wheels/{name}"
    return Found(
        files={
            f"{folder}/requirements.txt": lock,
            **{f"{folder}/{file}": path for file, path in sorted(wheels.items())},
        },
        components=tuple(_component(path, f"{folder}/{file}") for file, path in sorted(wheels.items())),
    )


def collect_uv(release: Release) -> Found:
    """Return uv, which makes environments on hosts, out of its wheel: a program that needs nothing.

    Raises:
        WheelsError: it is not to be had.

    """
    (wheel,) = _downloaded((ROOT / UV_LOCK).read_bytes(), release)
    described = _component(wheel, "programs/uv/uv")
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        content = archive.read(inside)
    return Found(
        files={"programs/uv/uv": content},
        components=(
            Component(
                sort="program",
                name="uv",
                version=described.version,
                licence=described.licence,
                paths=described.paths,
                origin=described.origin,
            ),
        ),
    )


def _downloaded(lock: bytes, release: Release) -> list[Path]:
    """Return the wheels of a lock file for a release, from the cache or fetched into it."""
    wanted = "\n".join(_for_python(lock.decode(), release))
    key = hashlib.sha256(f"{wanted}\n{release.python} {release.glibc}".encode()).hexdigest()[:16]
    folder = cache_folder() / "wheels" / key
    whole = folder / ".whole"
    if not whole.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".requirements").write_text(wanted)
        _pip(folder, release)
        whole.touch()
    return sorted(folder.glob("*.whl"))


def _pip(folder: Path, release: Release) -> None:
    major, minor = _version(release.python)
    platforms = [f"manylinux_2_{number}_x86_64" for number in range(_minor(release.glibc), _OLDEST_GLIBC - 1, -1)]
    command = [
        *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "download"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder)),
        *("--implementation", "cp", "--python-version", release.python, "--abi", f"cp{major}{minor}"),
        *(word for name in (*platforms, "manylinux2014_x86_64", "linux_x86_64") for word in ("--platform", name)),
        *("--requirement", str(folder / ".requirements")),
    ]
    # What pip had downloaded before an interruption it checks and keeps.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise WheelsError(
            f"wheels for {release.title} (Python {release.python}) could not be downloaded: {last[0]}",
            hint="Is the package index reachable, is there room on the disk? Then run it again: it goes on.",
        )


def _for_python(lock: str, release: Release) -> Iterator[str]:
    """Yield a lock's entries for a release, with their hashes and without the conditions that let them through.

    pip would judge the conditions by the Python that it runs on.
    """
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{release.python}.0",
        "python_version": release.python,
        "sys_platform": "linux",
    }
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock.replace("\\\n", " ")):
        words, *hashes = re.split(r"\s+(?=--hash=)", re.sub(r"(?m)^\s*#.*$", "", entry).strip())
        if words:
            requirement = Requirement(words)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                yield " ".join((f"{requirement.name}{requirement.specifier}", *(part.strip() for part in hashes)))


def _component(wheel: Path, path: str) -> Component:
    name, version, licence = _described(wheel)
    return Component(
        sort="wheel", name=name, version=version, licence=licence, paths=(path,), origin=f"pkg:pypi/{name}@{version}"
    )


def _described(wheel: Path) -> tuple[str, str, str]:
    """Return name, version and licence, as the wheel's own metadata say."""
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(inside))
    classifiers = [text for text in said.get_all("Classifier") or [] if text.startswith("License :: ")]
    free_text = said.get("License") or ""
    one_line = free_text.strip() if len(free_text.strip().splitlines()) == 1 else ""
    named = [text.rpartition(" :: ")[2] for text in classifiers if not text.endswith(":: OSI Approved")]
    name = re.sub(r"[-_.]+", "-", said["Name"]).lower()
    return name, said["Version"], said.get("License-Expression") or one_line or " OR ".join(named)


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _minor(glibc: str) -> int:
    return int(glibc.split(".")[1])
