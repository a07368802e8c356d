"""Nothing of Pulumi is installed that is not what its publisher says it is."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from lifecycle.pulumi_install import Release, install, releases
from lifecycle.pulumi_version import find_cli, plugin, searched
from planner.errors import DeployError
from planner.progress import Silent


def archive(contents: dict[str, str]) -> bytes:
    """Return a tar of executables."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for name, text in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    return sink.getvalue()


CLI = archive({"pulumi/pulumi": "#!/bin/sh\necho v3.259.0\n", "pulumi/pulumi-language-python": "#!/bin/sh\n"})
PLUGIN = archive({"pulumi-resource-aws": "#!/bin/sh\n", "LICENSE": "words"})


def published(release: Release, content: bytes, digest: str = "") -> dict[str, bytes]:
    line = f"{digest or hashlib.sha256(content).hexdigest()}  {release.name}\n"
    return {release.url: content, release.checksums: f"{'0' * 64}  another.tar.gz\n{line}".encode()}


@pytest.mark.parametrize(
    ("system", "machine", "cli", "aws"),
    [("Linux", "x86_64", "linux-x64", "linux-amd64"), ("Darwin", "arm64", "darwin-arm64", "darwin-arm64")],
)
def test_what_is_fetched(tmp_path: Path, system: str, machine: str, cli: str, aws: str) -> None:
    tool, of_aws = releases(tmp_path, system, machine)
    assert tool.name == f"pulumi-v3.259.0-{cli}.tar.gz"
    assert of_aws.name.startswith("pulumi-resource-aws-v7.")
    assert of_aws.name.endswith(f"-{aws}.tar.gz")
    for release in (tool, of_aws):
        assert release.url.startswith("https://github.com/pulumi/")
        assert release.checksums in release.commands()
        assert "sha256sum -c" in release.commands()


def test_no_release_for_this_machine(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="riscv64"):
        releases(tmp_path, "Linux", "riscv64")


def test_what_is_installed_is_found(tmp_path: Path) -> None:
    for release, content in zip(releases(tmp_path, "Linux", "x86_64"), (CLI, PLUGIN), strict=True):
        for _ in range(2):
            install(release, Silent(), published(release, content).__getitem__)
    path, version = find_cli(searched(os.environ | {"PATH": "/usr/bin:/bin"}, tmp_path))
    assert (path.startswith(str(tmp_path)), str(version)) == (True, "3.259.0")
    assert os.access(plugin(tmp_path), os.X_OK)
    assert list(tmp_path.rglob("*.new")) == []


@pytest.mark.parametrize(("digest", "code"), [("a" * 64, "bad_checksum"), ("short", "no_checksum")])
def test_what_does_not_match_is_not_unpacked(tmp_path: Path, digest: str, code: str) -> None:
    release = releases(tmp_path, "Linux", "x86_64")[1]
    with pytest.raises(DeployError) as refused:
        install(release, Silent(), published(release, PLUGIN, digest).__getitem__)
    assert refused.value.code == code
    assert not release.into.exists()


def linked() -> bytes:
    """Return a tar with a link that leads out, and a file that would be written through it."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        out, behind = tarfile.TarInfo("out"), tarfile.TarInfo("out/evil")
        out.type, out.linkname = tarfile.SYMTYPE, "../../.."
        tar.addfile(out)
        tar.addfile(behind, io.BytesIO())
    return sink.getvalue()


@pytest.mark.parametrize("bad", [archive({"../../../evil": "x"}), archive({"/evil": "x"}), linked()])
def test_an_archive_writes_nowhere_else(tmp_path: Path, bad: bytes) -> None:
    release = releases(tmp_path / "home", "Linux", "x86_64")[1]
    with pytest.raises(DeployError, match="cannot be unpacked"):
        install(release, Silent(), published(release, bad).__getitem__)
    assert list(tmp_path.rglob("evil")) == []
    assert not release.into.exists()
