"""Packages of a distribution, with all that they depend on, as an archive that apt on a host reads from the disk.

apt itself chooses and checks them: signatures of the lists, hashes of the packages. It does so with lists and a cache
of our own and as if nothing were installed, so that a host lacks nothing, however little it has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from lifecycle.bundle.collect.found import Component, Found, cache_folder
from planner.catalogue.rows import Release
from planner.errors import DeployError

ARCHITECTURE = "amd64"
INDEX = "Packages"
TIMEOUT_S = 1800
NOT_FETCHED = "W: Failed to fetch "
"""How apt warns of an archive that it did not reach, before it goes on with what it knew of it."""
_COMMON_LICENCES = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
_MACHINE_READABLE = re.compile(rb"(?m)^License:[ \t]*(\S[^\n]*)$")
_FORMAT = b"copyright-format/1.0"


class PackagesError(DeployError):
    """A package could not be had."""

    code = "packages_missing"


class Archive(msgspec.Struct, frozen=True):
    """A place that apt fetches a release from, and the suites that it has."""

    address: str
    suites: tuple[str, ...]


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str
    file: Path
    entry: str


def collect_packages(release: Release, names: Iterable[str], mirror: str = "") -> Found:
    """Return packages with all their dependencies, and the index that makes an archive of them.

    Args:
        release: of the distribution.
        names: of packages.
        mirror: address of the distribution's archive; empty to take this machine's own.

    Raises:
        PackagesError: one is not to be had.

    """
    missing = [tool for tool in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise PackagesError(
            f"packages of {release.title} cannot be had here: {' and '.join(missing)} is not there",
            hint="Make the bundle on a machine with Debian or Ubuntu, a container of it will do.",
        )
    apt = _Apt(release, cache_folder() / "apt" / release.name)
    unreached = apt.prepare((Archive(mirror, release.suites),) if mirror else _archives_for(release))
    packages = sorted(apt.fetch(sorted(set(names))), key=lambda package: (package.name, package.version))
    folder = f"packages/{release.name}"
    index = "\n".join(package.entry for package in packages)
    files: dict[str, Path | bytes] = {f"{folder}/{_file_name(package)}": package.file for package in packages}
    return Found(
        files={**files, f"{folder}/{INDEX}": index.encode()},
        components=tuple(_component(package, folder, release) for package in packages),
        remarks=tuple(
            f"packages of {release.title} are those that were known at an earlier run: {why}" for why in unreached
        ),
    )


def _archives_for(release: Release) -> tuple[Archive, ...]:
    """Return where a release is fetched from, as this machine's own configuration of apt says.

    Raises:
        PackagesError: this machine's distribution is another one.

    """
    own = _os_release()
    if own.get("ID") != release.distribution or not own.get("VERSION_CODENAME"):
        raise PackagesError(
            f"this machine does not know where packages of {release.title} are: it runs another distribution",
            hint=f"Name an archive: --mirror {release.name}=URL.",
        )
    told = _run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"], timeout_s=60
    ).stdout
    found: dict[str, None] = {}
    suites: dict[str, list[str]] = {}
    for line in told.splitlines():
        address, _, suite = line.partition(" ")
        wanted = suite.replace(own["VERSION_CODENAME"], release.name)
        if wanted in release.suites and wanted not in suites.setdefault(address, []):
            suites[address].append(wanted)
            found[address] = None
    if not found:
        raise PackagesError(
            f"this machine's apt has no archive of {release.title}",
            hint=f"Name one: --mirror {release.name}=URL.",
        )
    return tuple(Archive(address, tuple(suites[address])) for address in found)


def _os_release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


class _Apt:
    """apt with lists, a cache and a state of our own, which know of no installed package."""

    def __init__(self, release: Release, folder: Path) -> None:
        self._release, self._folder = release, folder
        options = {
            "APT::Architecture": ARCHITECTURE,
            "APT::Architectures": ARCHITECTURE,
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
            "Dir::Cache": f"{folder}/cache",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::Etc::SourceList": f"{folder}/sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": f"{folder}/state",
            "Dir::State::Lists": f"{folder}/lists",
            "Dir::State::Status": f"{folder}/state/status",
        }
        if os.geteuid() == 0:
            options["APT::Sandbox::User"] = "root"  # the helper user could not write into a folder of ours
        self._options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def prepare(self, archives: Sequence[Archive]) -> tuple[str, ...]:
        """Fetch the lists; return what apt says of those that it could not fetch, in whose place it takes old ones."""
        for part in ("lists/partial", "cache/archives/partial", "state"):
            (self._folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / "state" / "status").touch()
        components = " ".join(self._release.components)
        lines = [
            f"deb [signed-by={self._release.keyring} arch={ARCHITECTURE}] {archive.address} {suite} {components}\n"
            for archive in archives
            for suite in archive.suites
        ]
        (self._folder / "sources.list").write_text("".join(lines))
        said = self._get("update").stderr.splitlines()
        return tuple(line.removeprefix(NOT_FETCHED) for line in said if line.startswith(NOT_FETCHED))

    def fetch(self, names: Sequence[str]) -> Iterator[_Package]:
        """Download packages with all that they depend on; what an interrupted run has downloaded is kept."""
        self._get("install", "--yes", "--download-only", *names)
        # What is there now apt no longer lists as wanted, so it is asked as if nothing were.
        nothing_here = ("-o", f"Dir::Cache::Archives={self._folder}/none")
        told = self._get("install", "--yes", "--print-uris", *nothing_here, *names).stdout
        wanted = {}
        for line in told.splitlines():
            if match := re.match(r"'[^']+' (\S+) \d+", line):
                name, version = match[1].split("_")[:2]
                wanted[name, version.replace("%3a", ":")] = match[1]
        shown = _run(["apt-cache", *self._options, "show", *(f"{name}={version}" for name, version in wanted)]).stdout
        for entry in shown.strip("\n").split("\n\n"):
            key = _field(entry, "Package"), _field(entry, "Version")
            if file := wanted.pop(key, ""):
                yield _Package(*key, self._folder / "cache" / "archives" / file, _relocated(entry))
        if wanted:
            raise PackagesError(f"apt says nothing of {', '.join(name for name, _ in wanted)}", hint="Run it again.")

    def _get(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return _run(["apt-get", "-qq", *self._options, *words])
        except PackagesError as error:
            raise PackagesError(
                f"packages of {self._release.title}: {error.message}",
                hint="Is the archive reachable, are its keys here "
                f"({self._release.keyring}), is there room on the disk? Then run it again: it goes on.",
            ) from None


def _relocated(entry: str) -> str:
    """Return a package's entry in the lists as it is for a file that lies beside the index."""
    return re.sub(r"(?m)^Filename: .*/([^/\n]+)$", r"Filename: ./\1", entry) + "\n"


def _field(entry: str, name: str) -> str:
    match = re.search(rf"(?m)^{name}: (.+)$", entry)
    if match is None:
        raise PackagesError(f"apt's lists hold an entry without {name}", hint="Run it again.")
    return match[1]


def _file_name(package: _Package) -> str:
    return _field(package.entry, "Filename").removeprefix("./")


def _component(package: _Package, folder: str, release: Release) -> Component:
    return Component(
        sort="package",
        name=package.name,
        version=package.version,
        licence=_licence(package),
        paths=(f"{folder}/{_file_name(package)}",),
        origin=f"pkg:deb/{release.distribution}/{package.name}@{package.version}?arch={ARCHITECTURE}"
        f"&distro={release.name}",
    )


def _licence(package: _Package) -> str:
    """Return the licences that the package's own copyright file names; empty where it has none of its own."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package.file)], stdout=subprocess.PIPE) as unpacked:  # noqa: S603, S607 - the system's own tool
        if unpacked.stdout is None:
            raise RuntimeError("a pipe that was asked for is there")
        said = _copyright(unpacked.stdout, f"./usr/share/doc/{package.name}/copyright")
        unpacked.kill()
    short = _MACHINE_READABLE.findall(said) if _FORMAT in said else _COMMON_LICENCES.findall(said)
    return " AND ".join(sorted({name.decode(errors="replace").strip() for name in short}))


def _copyright(stream: object, wanted: str) -> bytes:
    with tarfile.open(fileobj=stream, mode="r|") as files:  # type: ignore[call-overload]  # a pipe, which it reads
        for member in files:
            if member.name == wanted and member.isfile() and (content := files.extractfile(member)):
                return bytes(content.read())
    return b""


def _run(command: list[str], timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(  # noqa: S603 - the system's own tools, names from the roles and the catalogue
            command,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PackagesError(f"{command[0]} did not end within {timeout_s:g} s", hint="Run it again.") from None
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if line.startswith("E:")] or ["it said nothing"]
        raise PackagesError(said[0].removeprefix("E: "), hint="Run it again.")
    return done
