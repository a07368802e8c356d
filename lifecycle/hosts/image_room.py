"""What images of a bundle take on a host's disks: their blobs, a copy while Podman reads them, and what it unpacks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from lifecycle.bundle.folder import read_manifest
from lifecycle.hosts.ssh import Connection
from planner.bundle import MANIFEST, BundleError, decode
from planner.images import UNPACKED, folder_of
from planner.layout import BUNDLES
from planner.plan import Plan
from planner.units import GIB

STORAGE = "/var/lib/containers"
"""Where Podman unpacks images (containers-storage.conf(5), `graphroot`)."""
COPIES = "/var/tmp"  # noqa: S108 - nothing is written there by us
"""Where Podman keeps an image's blobs while it loads it (containers.conf(5), `image_copy_tmp_dir`)."""
_WHAT_IS_THERE = f"""
find {BUNDLES} -type f -path '*/images/*' -printf 'blob %f %s\\n' 2>/dev/null
if [ -d {STORAGE}/storage ] && command -v podman >/dev/null; then
    for image; do if podman image exists "$image"; then echo "image $image"; fi; done
fi
"""
"""Where Podman was never used, asking it would make its storage."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Room that something takes on the disk of a folder, in GiB."""

    path: str
    gib: float
    what: str


class PackedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image as it lies in a bundle: the bytes of each of its files."""

    reference: str
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has of images: those that Podman knows, and bytes of files below its bundles, whole or not."""

    images: frozenset[str] = frozenset()
    files: dict[str, int] = {}


def packed_images(plan: Plan, folder: Path) -> tuple[PackedImage, ...]:
    """Return a plan's images as a bundle has them.

    Raises:
        BundleError: the folder is no bundle, or one without these images.

    """
    images = {one.image.reference: one.image for one in plan.services if one.image}
    if not images:
        return ()
    sizes = {file.path: file.size for file in decode(read_manifest(folder), str(folder / MANIFEST)).files}
    packed = []
    for reference, image in sorted(images.items()):
        place = f"{folder_of(image)}/"
        files = {path.removeprefix(place): size for path, size in sizes.items() if path.startswith(place)}
        if not files:
            raise BundleError(
                f"the bundle {folder} holds no image {reference}",
                hint="Make it anew for this profile: `deploy bundle make`.",
                code="image_not_in_bundle",
            )
        packed.append(PackedImage(reference=reference, files=files))
    return tuple(packed)


def rooms_on(connection: Connection, images: Iterable[PackedImage]) -> tuple[Room, ...]:
    """Return what images take that a host has not loaded yet. Asked as root; nothing is changed."""
    images = tuple(images)
    if not images:
        return ()
    words = ("sh", "-c", _WHAT_IS_THERE, "sh", *(image.reference for image in images))
    return rooms_of(images, parse_kept(connection.run_as_root(shlex.join(words)).stdout))


def parse_kept(text: str) -> Kept:
    """Read what the host's side says."""
    files: dict[str, int] = {}
    images = set()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "image":
            images.add(rest)
        elif kind == "blob":
            name, _, size = rest.rpartition(" ")
            name = name.removesuffix(".part")
            files[name] = max(files.get(name, 0), int(size))
    return Kept(images=frozenset(images), files=files)


def rooms_of(images: Iterable[PackedImage], kept: Kept) -> tuple[Room, ...]:
    """Return what images take beside what a host has of them. They are loaded one after the other."""
    lacking = [image for image in images if image.reference not in kept.images]
    if not lacking:
        return ()
    brought = sum(_missing(image.files, kept.files) for image in lacking)
    size = sum(image.size for image in lacking)
    return (
        Room(path=BUNDLES, gib=brought / GIB, what="images in the bundle"),
        Room(path=COPIES, gib=max(image.size for image in lacking) / GIB, what="a copy while Podman loads one"),
        Room(path=STORAGE, gib=size * UNPACKED / GIB, what="images, unpacked"),
    )


def _missing(wanted: Mapping[str, int], there: Mapping[str, int]) -> int:
    return sum(max(0, size - there.get(name, 0)) for name, size in wanted.items())
