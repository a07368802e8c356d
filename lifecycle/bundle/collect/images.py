"""Images of services: fetched by skopeo with the user's own logins, and held to the digest that the plan names.

An image lies in a bundle as its manifest and its blobs, each under its own digest, bit for bit as the registry has them
(skopeo's `dir:`). An archive would be one large file that is sent again whenever a layer changes, and what is converted
to another format has another digest.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from lifecycle.bundle.collect.found import Component, Found, cache_folder
from planner.errors import DeployError
from planner.images import folder_of
from planner.plan import Image

PLATFORM = ("linux", "amd64")
COPY_TIMEOUT_S = 4 * 3600.0
ASK_TIMEOUT_S = 120.0
LICENCES = "org.opencontainers.image.licenses"
"""Label by which an image's maker names its licences (OCI image specification, annotations)."""
MANIFEST, VERSION = "manifest.json", "version"


class ImageError(DeployError):
    """An image cannot be had, or is not what the plan says."""

    code = "image_wrong"


def skopeo() -> str | None:
    """Return where the program is that speaks with registries; None where there is none."""
    return shutil.which("skopeo")


def collect_image(image: Image) -> Found:
    """Return an image's files, from the cache or fetched into it.

    Raises:
        ImageError: it cannot be had, is one of several platforms, or has another digest.

    """
    kept = cache_folder() / "images" / image.digest.removeprefix("sha256:")
    try:
        config = _check(image, kept)
    except ImageError:  # not there, or spoilt
        shutil.rmtree(kept, ignore_errors=True)
        config = _fetch(image, kept)
    folder = folder_of(image)
    files: dict[str, Path | bytes] = {f"{folder}/{path.name}": path for path in sorted(kept.iterdir())}
    name = image.repository.rpartition("/")[2]
    qualifiers = {"arch": PLATFORM[1], "repository_url": image.repository}
    return Found(
        files=files,
        components=(
            Component(
                sort="image",
                name=image.repository,
                version=image.digest,
                licence=str((config.get("config", {}).get("Labels") or {}).get(LICENCES, "")),
                paths=tuple(files),
                origin=PackageURL(type="oci", name=name, version=image.digest, qualifiers=qualifiers).to_string(),
            ),
        ),
    )


def _fetch(image: Image, kept: Path) -> dict[str, Any]:
    """Copy an image beside its place, which it gets when all of it is there and right; return its configuration."""
    program = skopeo()
    if program is None:
        raise ImageError(
            f"skopeo is not on PATH, and {image.reference} is in a registry",
            hint="Install it (Debian and Ubuntu: the package skopeo), then run the same command again.",
            code="no_skopeo",
        )
    source = f"docker://{image.reference}"
    raw = _run(image, [program, "inspect", "--raw", f"--tls-verify={_verified(image)}", source], ASK_TIMEOUT_S)
    _refuse_list(image, raw)
    growing = kept.with_suffix(".growing")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(mode=0o700, parents=True)
    copy = [program, "copy", "--quiet", "--preserve-digests", f"--src-tls-verify={_verified(image)}"]
    _run(image, [*copy, source, f"dir:{growing}"], COPY_TIMEOUT_S)
    config = _check(image, growing)
    growing.rename(kept)
    return config


def _verified(image: Image) -> str:
    """Say whether the registry must show a certificate: all must, but for one on this machine itself."""
    host = image.repository.partition("/")[0].rpartition(":")[0].strip("[]")
    try:
        return "false" if host == "localhost" or ipaddress.ip_address(host).is_loopback else "true"
    except ValueError:
        return "true"


def _run(image: Image, words: list[str], timeout_s: float) -> bytes:
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL)  # noqa: S603 - found on PATH; the reference was checked when it was planned
    except subprocess.TimeoutExpired:
        raise ImageError(
            f"{image.reference} did not come within {timeout_s:.0f} s", hint="Run the same command again."
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise ImageError(
            f"{image.reference} cannot be fetched: {said[0]}",
            hint="Is the name right, and are you logged in (`skopeo login REGISTRY`)?",
            code="image_not_fetched",
        )
    return done.stdout


def _refuse_list(image: Image, raw: bytes) -> None:
    """Refuse the digest of a list of images: Podman on a host would not know the one that it has by that name."""
    content = json.loads(raw)
    if "manifests" not in content:
        return
    fitting = [one["digest"] for one in content["manifests"] if _platform(one) == PLATFORM]
    instead = f"Pin {image.repository}@{fitting[0]} instead." if fitting else "There is none for linux/amd64 in it."
    raise ImageError(
        f"{image.reference} is a list of images for several platforms, not an image", hint=instead, code="image_is_list"
    )


def _platform(entry: dict[str, Any]) -> tuple[str, str]:
    said = entry.get("platform", {})
    return said.get("os", ""), said.get("architecture", "")


def _check(image: Image, folder: Path) -> dict[str, Any]:
    """Hold what is there to its digests, and return the image's configuration.

    Raises:
        ImageError: something is missing, changed or too much, or it is for other machines.

    """
    raw = _read(image, folder / MANIFEST)
    if f"sha256:{hashlib.sha256(raw).hexdigest()}" != image.digest:
        raise _wrong(image, "its manifest has another digest")
    manifest = json.loads(raw)
    if manifest.get("schemaVersion") != 2 or "config" not in manifest:
        raise _wrong(image, "its manifest is of a kind that Podman no longer takes")
    blobs = [str(one["digest"]).removeprefix("sha256:") for one in (manifest["config"], *manifest["layers"])]
    for name in blobs:
        if not (folder / name).is_file() or _digest(folder / name) != name:
            raise _wrong(image, f"its part {name[:12]} is missing, or another one")
    if extra := {path.name for path in folder.iterdir()} - {MANIFEST, VERSION, *blobs}:
        raise _wrong(image, f"{min(extra)} is no part of it")
    config: dict[str, Any] = json.loads(_read(image, folder / blobs[0]))
    if (config.get("os"), config.get("architecture")) != PLATFORM:
        raise _wrong(image, f"it is for {config.get('os')}/{config.get('architecture')}, and hosts are linux/amd64")
    return config


def _read(image: Image, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(image, f"{path.name} cannot be read: {error.strerror}") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(image: Image, why: str) -> ImageError:
    return ImageError(f"{image.reference}: {why}", hint="Look at the digest; a registry that answers so is not right.")
