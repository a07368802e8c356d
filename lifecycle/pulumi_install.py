"""Installing Pulumi's CLI and its plugin aws: pinned, from their official releases, and checked."""

from __future__ import annotations

import hashlib
import io
import platform
import shlex
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.pulumi_version import OLDEST, cli_folder, plugin_path, plugin_version
from planner.errors import DeployError
from planner.progress import Progress

Fetch = Callable[[str], bytes]
"""URL -> what is there."""
RELEASES = "https://github.com/pulumi"
TIMEOUT_S = 300


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """An archive of a release, and where its publisher says what its SHA-256 is.

    Attributes:
        url: of the archive (tar, gzip).
        checksums: URL of a file with a line `SHA-256  NAME` for every archive of the release.
        into: folder that the archive's content goes to.
        strip: folder at the archive's root that is left out.

    """

    what: str
    url: str
    checksums: str
    into: Path
    strip: str = ""

    @property
    def name(self) -> str:
        """Name of the archive."""
        return self.url.rpartition("/")[2]

    def commands(self) -> str:
        """Return the same as a person would type it."""
        strip = " --strip-components 1" if self.strip else ""
        into = shlex.quote(str(self.into))
        return (
            f"curl -fLO {self.url} && curl -fL {self.checksums} | grep ' {self.name}$' | sha256sum -c && "
            f"mkdir -p {into} && tar -xzf {self.name} -C {into}{strip}"
        )


def releases(home: Path, system: str = "", machine: str = "") -> tuple[Release, Release]:
    """Return the CLI and the plugin for a kind of machine.

    Args:
        home: folder of plugins.
        system: as `platform.system` says; this machine's when empty.
        machine: as `platform.machine` says; this machine's when empty.

    Raises:
        DeployError: nothing is released for this kind of machine.

    """
    system, machine = system or platform.system(), machine or platform.machine()
    arm = {"arm64": True, "aarch64": True, "x86_64": False, "amd64": False}.get(machine)
    if system not in {"Linux", "Darwin"} or arm is None:
        raise DeployError(
            f"Pulumi is not installed by itself on {system} on {machine}",
            hint="https://www.pulumi.com/docs/iac/download-install/ says what there is.",
            code="cannot_install",
        )
    of_cli, of_plugin = ("arm64", "arm64") if arm else ("x64", "amd64")
    tool, aws = str(OLDEST), plugin_version()
    base, base_aws = f"{RELEASES}/pulumi/releases/download/v{tool}", f"{RELEASES}/pulumi-aws/releases/download/v{aws}"
    return (
        Release(
            what=f"Pulumi CLI {tool}",
            url=f"{base}/pulumi-v{tool}-{system.lower()}-{of_cli}.tar.gz",
            checksums=f"{base}/pulumi-{tool}-checksums.txt",
            into=cli_folder(home),
            strip="pulumi/",
        ),
        Release(
            what=f"Pulumi plugin aws {aws}",
            url=f"{base_aws}/pulumi-resource-aws-v{aws}-{system.lower()}-{of_plugin}.tar.gz",
            checksums=f"{base_aws}/pulumi-aws_{aws}_checksums.txt",
            into=plugin_path(home).parent,
        ),
    )


def install(release: Release, progress: Progress, fetch: Fetch | None = None) -> None:
    """Fetch a release, compare its checksum, and unpack it. Nothing is unpacked that does not match.

    Raises:
        DeployError: it cannot be fetched, is not what its publisher says, or cannot be unpacked.

    """
    fetch = fetch or _fetch
    with progress.step(release.what):
        wanted = _checksum(fetch(release.checksums).decode(errors="replace"), release)
        archive = fetch(release.url)
        found = hashlib.sha256(archive).hexdigest()
        if found != wanted:
            raise DeployError(
                f"{release.url} has SHA-256 {found}; its publisher says {wanted}",
                hint="Nothing was installed. If it stays so, something stands between you and the publisher.",
                code="bad_checksum",
            )
        _unpack(archive, release)


def _checksum(text: str, release: Release) -> str:
    for line in text.splitlines():
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") == release.name and len(digest) == hashlib.sha256().digest_size * 2:
            return digest.lower()
    raise DeployError(
        f"{release.checksums} does not name {release.name}", hint="Nothing was installed.", code="no_checksum"
    )


def _unpack(archive: bytes, release: Release) -> None:
    """Unpack beside the place and move there: a run that is killed leaves nothing that looks installed."""
    fresh = release.into.with_name(f"{release.into.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    files.make_private_folder(fresh)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                if not member.isdir():
                    _place(tar, member, fresh / member.name.removeprefix("./").removeprefix(release.strip), fresh)
    except (tarfile.TarError, OSError) as error:
        raise DeployError(
            f"{release.name} cannot be unpacked into {fresh}: {error}", hint="Free space?", code="cannot_install"
        ) from error
    shutil.rmtree(release.into, ignore_errors=True)
    fresh.rename(release.into)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, folder: Path) -> None:
    """Write a plain file below the folder; a release has nothing else. Debian 12's Python has no extraction filters.

    Raises:
        tarfile.TarError: it is something else, or its name leads elsewhere.

    """
    content = tar.extractfile(member) if member.isfile() else None
    if content is None or not target.resolve().is_relative_to(folder.resolve()):
        raise tarfile.ExtractError(f"{member.name!r} is no file of a release")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("xb") as sink:
        shutil.copyfileobj(content, sink)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _fetch(url: str) -> bytes:
    import httpx  # noqa: PLC0415 - a tenth of a second, for an installation alone

    try:
        answer = httpx.get(url, follow_redirects=True, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise DeployError(
            f"{url} cannot be fetched: {error}",
            hint="Is there a way to it, or a proxy (HTTPS_PROXY)? `deploy doctor` prints what to fetch elsewhere.",
            code="cannot_fetch",
        ) from error
    return answer.content
