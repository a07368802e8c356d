"""Where this machine has the programs of a stack: in a wheel, a module of ours, on PATH, or in a package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs

from planner.catalogue import Artefact, ArtefactSource, load_catalogue

UNPACK_TIMEOUT_S = 120
"""Longest that the distribution's package manager may take, lists and download together."""


def resolve(artefact: str) -> list[str] | None:
    """Return the beginning of the command that runs an artefact; None where this machine does not have it."""
    for source in load_catalogue().artefacts[artefact].sources:
        if (command := _command(source)) is not None:
            return command
    return None


def absence(artefact: str) -> str:
    """Say why this machine does not have an artefact; empty when it does."""
    if resolve(artefact) is not None:
        return ""
    tried = ", ".join(f"{source.kind} {source.name}" for source in load_catalogue().artefacts[artefact].sources)
    return f"not found ({tried})"


def obtain(artefact: str) -> str:
    """Fetch an artefact that is missing and can be had without root; return why not, or nothing when it is there.

    A Debian package is downloaded with the system's own `apt-get`, which checks signatures and hashes, through lists
    of our own, and unpacked into the user's cache: neither root nor a change to the system is needed.
    """
    if resolve(artefact) is not None:
        return ""
    for source in load_catalogue().artefacts[artefact].sources:
        if source.kind == "debian" and source.installed:
            return f"it is not on PATH; `apt install {source.name}` brings it"
        if source.kind == "debian":
            return _unpack(load_catalogue().artefacts[artefact], source)
    return absence(artefact)


def promtool() -> str | None:
    """Return Prometheus's own checker, which comes in the same package."""
    command = resolve("prometheus")
    if command is None:
        return None
    beside = Path(command[0]).with_name("promtool")
    return str(beside) if beside.is_file() else shutil.which("promtool")


def cache_folder() -> Path:
    """Return where unpacked programs are kept, for all stacks of this user."""
    return Path(platformdirs.user_cache_dir("cloister")) / "parts"


def _command(source: ArtefactSource) -> list[str] | None:
    match source.kind:
        case "wheel":
            program = Path(sys.executable).with_name(source.name.removesuffix("-bin"))
            return [str(program)] if program.is_file() else None
        case "module":
            # -P: the working directory must not be searched for modules.
            return [sys.executable, "-P", "-m", source.name]
        case "path":
            found = shutil.which(source.name)
            return [found] if found else None
        case "debian":
            program = cache_folder() / source.name / "usr" / "bin" / source.name
            return [str(program)] if os.access(program, os.X_OK) else None


def unpack_package(package: str, target: Path) -> None:
    """Download a Debian package, and unpack it into a folder that is not there yet; nothing is installed by it.

    Raises:
        subprocess.SubprocessError: the package manager says why not.
        OSError: it cannot be run, or the folder be written.
        ValueError: what came is not one package.

    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".apt-") as folder:
        _download(package, Path(folder))
        (archive,) = Path(folder).glob("*.deb")
        _run(["dpkg-deb", "-x", str(archive), f"{folder}/unpacked"], Path(folder))
        Path(folder, "unpacked").rename(target)


def _unpack(artefact: Artefact, source: ArtefactSource) -> str:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return f"{artefact.name} is not on PATH, and {' and '.join(missing)} to unpack it with is not there either"
    try:
        unpack_package(source.name, cache_folder() / source.name)
    except subprocess.TimeoutExpired:
        return f"the package {source.name} did not come within {UNPACK_TIMEOUT_S} s"
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        return f"the package {source.name} cannot be had: {last[0]}"
    except (OSError, ValueError) as error:
        return f"the package {source.name} cannot be unpacked: {error}" if resolve(artefact.name) is None else ""
    return ""


def _download(package: str, folder: Path) -> None:
    """Download a package with lists of our own: the system's may be missing, old, or closed to this user."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "Acquire::Languages=none"]
    if os.geteuid() == 0:
        options.append("APT::Sandbox::User=root")  # the helper user could not write into a folder of ours
    apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    _run([*apt, "update"], folder)
    _run([*apt, "download", package], folder)


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    subprocess.run(  # noqa: S603 - commands of ours, with names from the catalogue
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=UNPACK_TIMEOUT_S
    )
