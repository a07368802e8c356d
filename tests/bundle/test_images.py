"""Images come from a real registry, and are taken if they are exactly what was pinned."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from lifecycle.bundle import make as making
from lifecycle.bundle.check import verify
from lifecycle.bundle.collect import found, images
from lifecycle.bundle.collect.found import Found
from lifecycle.bundle.collect.images import ImageError, collect_image
from lifecycle.bundle.make import make
from lifecycle.home import Home
from planner.catalogue import load_catalogue
from planner.contents import Contents
from planner.images import folder_of
from planner.plan import Image
from planner.progress import Silent
from tests.images import INDEX, MANIFEST, add, digest_of, write_image
from tests.registry import push, running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry of this machine alone."""
    with running_registry(tmp_path_factory.mktemp("registry")) as name:
        yield name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(images, "cache_folder", lambda: folder)
    assert found.cache_folder() != folder
    return folder


def root() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        add(tar, "hello", b"hello\n")
    return made.getvalue()


def pushed(registry: str, folder: Path, architecture: str = "amd64") -> Image:
    """Make an image, and push it."""
    image = write_image(folder, f"{registry}/tests/hello", root(), architecture, licence="Apache-2.0")
    push(image, folder, tag=architecture)
    return image


def test_an_image_comes_bit_for_bit_and_once(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pushed(registry, tmp_path / "made")
    first = collect_image(image)
    there = {path.name: path.read_bytes() for path in (tmp_path / "made" / folder_of(image)).iterdir()}
    got = {name.rpartition("/")[2]: Path(str(path)).read_bytes() for name, path in first.files.items()}
    assert {name: got[name] for name in got if name != "version"} == {
        name: there[name] for name in there if name != "version"
    }
    (described,) = first.components
    assert (described.licence, described.version) == ("Apache-2.0", image.digest)
    assert described.origin.startswith("pkg:oci/hello@sha256:")
    monkeypatch.setenv("PATH", "")
    assert collect_image(image) == first


def test_what_was_spoilt_in_the_cache_is_fetched_again(registry: str, tmp_path: Path, cache: Path) -> None:
    image = pushed(registry, tmp_path / "made")
    first = collect_image(image)
    for path in (cache / "images" / image.digest.removeprefix("sha256:")).iterdir():
        path.write_bytes(b"spoilt")
    assert collect_image(image) == first
    assert all(b"spoilt" not in Path(str(path)).read_bytes() for path in first.files.values())


def test_a_list_of_images_is_refused_and_says_what_to_pin(registry: str, tmp_path: Path) -> None:
    image = pushed(registry, tmp_path / "made")
    manifest = (tmp_path / "made" / folder_of(image) / "manifest.json").read_bytes()
    entry = {"mediaType": MANIFEST, "size": len(manifest), "digest": image.digest}
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {**entry, "platform": {"os": "linux", "architecture": "amd64"}},
                {**entry, "platform": {"os": "linux", "architecture": "arm64"}},
            ],
        }
    ).encode()
    url = f"http://{registry}/v2/tests/hello/manifests/both"
    assert httpx.put(url, content=index, headers={"Content-Type": INDEX}, trust_env=False).status_code == 201
    both = msgspec.structs.replace(image, digest=f"sha256:{digest_of(index)}")
    with pytest.raises(ImageError) as refused:
        collect_image(both)
    assert refused.value.code == "image_is_list"
    assert f"Pin {image.reference} instead." in str(refused.value.hint)


def test_an_image_for_other_machines_is_refused(registry: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="linux/arm64"):
        collect_image(pushed(registry, tmp_path / "made", "arm64"))


def test_what_is_not_there_is_said(registry: str) -> None:
    missing = Image(repository=f"{registry}/tests/hello", digest=f"sha256:{'0' * 64}", command=())
    with pytest.raises(ImageError) as refused:
        collect_image(missing)
    assert refused.value.code == "image_not_fetched"


def test_without_skopeo_it_is_said_what_to_install(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImageError, match="skopeo") as refused:
        collect_image(Image(repository=f"{registry}/tests/hello", digest=f"sha256:{'0' * 64}", command=()))
    assert refused.value.code == "no_skopeo"


@pytest.mark.parametrize(
    ("repository", "verified"),
    [
        ("127.0.0.1:5000/x", "false"),
        ("[::1]:5000/x", "false"),
        ("localhost:5000/x", "false"),
        ("registry.example/x", "true"),
        ("registry.example:443/x", "true"),
        ("10.0.0.1:5000/x", "true"),
        ("127.0.0.1.registry.example:5000/x", "true"),
    ],
)
def test_only_a_registry_of_this_machine_needs_no_certificate(repository: str, verified: str) -> None:
    assert images._verified(Image(repository=repository, digest="sha256:" + "0" * 64, command=())) == verified


def test_a_bundle_with_an_image_has_it_in_manifest_and_bill_and_misses_a_byte(
    registry: str, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("collect_environment", "collect_uv", "collect_packages"):
        monkeypatch.setattr(making, name, lambda *_: Found(files={}))
    image = pushed(registry, tmp_path / "made")
    contents = Contents(environments=(), modules=("gateway",), images=(image,))
    report = make(home, tmp_path / "bundle", contents, load_catalogue(), Silent(), codenames=["trixie"])
    bill = json.loads((tmp_path / "bundle" / "sbom.cdx.json").read_text())
    (part,) = [one for one in bill["components"] if one["type"] == "container"]
    assert (part["name"], part["version"]) == (image.repository, image.digest)
    assert part["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    files = {file["path"]: file for file in manifest["files"] if file["kind"] == "image"}
    assert {path.rpartition("/")[0] for path in files} == {folder_of(image)}
    assert files[f"{folder_of(image)}/manifest.json"]["sha256"] == image.digest.removeprefix("sha256:")
    assert {file["licence"] for file in files.values()} == {"Apache-2.0"}

    assert verify(home, tmp_path / "bundle", Silent(), expected=report.bundle).ok
    layer = max((tmp_path / "bundle" / folder_of(image)).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(layer.read_bytes())
    content[-1] ^= 1
    layer.unlink()  # a link to the cache, which stays as it is
    layer.write_bytes(content)
    spoilt = verify(home, tmp_path / "bundle", Silent())
    assert (spoilt.ok, spoilt.changed) == (False, (layer.relative_to(tmp_path / "bundle").as_posix(),))
