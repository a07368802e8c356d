"""`doctor`: what this machine has of what a stack needs."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from collections.abc import Iterator

import msgspec
import psutil

from lifecycle import ports
from lifecycle.home import Home
from lifecycle.parts import absence
from lifecycle.pulumi_install import Release, releases
from lifecycle.pulumi_version import OLDEST, find_cli, plugin_path, plugin_version, searched
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.services import DEFAULT_PORTS

NEEDED_DISK_GIB = 1.0
NEEDED_MEMORY_GIB = 2.0
NEEDED_OPEN_FILES = 8192


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `needed`: no stack runs without it."""

    what: str
    ok: bool
    needed: bool
    detail: str


def examine(home: Home) -> tuple[DoctorFinding, ...]:
    """Look at everything, change nothing."""
    return tuple(_findings(home))


def _findings(home: Home) -> Iterator[DoctorFinding]:
    yield DoctorFinding(
        what="Python", ok=True, needed=True, detail=f"{platform.python_version()} on {platform.platform()}"
    )
    yield _disk(home)
    yield _memory()
    yield _open_files()
    yield _state_folder(home)
    for artefact in load_catalogue().artefacts.values():
        if artefact.hosts_only:
            continue
        why = absence(artefact.name)
        optional = artefact.name in {"prometheus", "alertmanager"}
        yield DoctorFinding(
            what=artefact.name,
            ok=not why,
            needed=not optional,
            detail=why or f"{artefact.version}" + (" (stand-in)" if artefact.stand_in else ""),
        )
    busy = [str(number) for number in DEFAULT_PORTS.values() if not ports.is_free(number)]
    yield DoctorFinding(
        what="usual ports",
        ok=not busy,
        needed=False,
        detail=f"in use: {', '.join(busy)}; `up` chooses others" if busy else "free",
    )
    yield from _pulumi(home)


def _pulumi(home: Home) -> Iterator[DoctorFinding]:
    """Look for Pulumi's own engine and its plugin; the sandbox needs neither."""
    try:
        path, version = find_cli(searched(os.environ, home.pulumi))
        same = "the pinned one" if version == OLDEST else f"the pinned one is {OLDEST}"
        yield DoctorFinding(what="Pulumi CLI", ok=True, needed=False, detail=f"{version} at {path}; {same}")
    except DeployError as error:
        detail = f"{error.message}; {OLDEST} is pinned, the sandbox needs none"
        yield DoctorFinding(what="Pulumi CLI", ok=False, needed=False, detail=detail)
    there = plugin_path(home.pulumi)
    found = there.is_file()
    detail = f"{plugin_version()} at {there}" if found else f"{plugin_version()} is not at {there}; AWS needs it"
    yield DoctorFinding(what="Pulumi plugin aws", ok=found, needed=False, detail=detail)


def missing(home: Home) -> tuple[Release, ...]:
    """Return what of Pulumi is not there, as it would be installed."""
    lacking = {finding.what for finding in _pulumi(home) if not finding.ok}
    return tuple(release for release in releases(home.pulumi) if release.what.rpartition(" ")[0] in lacking)


def _disk(home: Home) -> DoctorFinding:
    folder = home.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return DoctorFinding(
        what="disk", ok=free >= NEEDED_DISK_GIB, needed=True, detail=f"{free:.1f} GiB free at {folder}"
    )


def _memory() -> DoctorFinding:
    free = psutil.virtual_memory().available / 2**30
    return DoctorFinding(what="memory", ok=free >= NEEDED_MEMORY_GIB, needed=True, detail=f"{free:.1f} GiB available")


def _open_files() -> DoctorFinding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= NEEDED_OPEN_FILES
    return DoctorFinding(what="open files", ok=enough, needed=True, detail=f"limit {hard}")


def _state_folder(home: Home) -> DoctorFinding:
    folder = home.root
    while not folder.exists():
        folder = folder.parent
    writable = os.access(folder, os.W_OK | os.X_OK)
    detail = str(home.root) if writable else f"{folder} cannot be written: set CLOISTER_HOME to a folder that can"
    return DoctorFinding(what="state folder", ok=writable, needed=True, detail=detail)
