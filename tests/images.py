"""Images made on the spot, in the form that bundles have: a manifest, and blobs under their own digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from planner.images import folder_of
from planner.plan import Image

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write_image(folder: Path, repository: str, root: bytes, architecture: str = "amd64", licence: str = "") -> Image:
    """Write an image of one layer below `folder`, where bundles have images, and return its name.

    Args:
        folder: of a bundle.
        repository: what it shall be called.
        root: its root folder as a tar file.
        architecture: that it says it is for.
        licence: that it says it has.

    """
    layer = gzip.compress(root, compresslevel=1, mtime=0)
    settings = {"Env": ["PATH=/usr/bin:/bin"], "User": "0:0", "Labels": {"org.opencontainers.image.licenses": licence}}
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest_of(root)}"]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config),
            "layers": [descriptor(LAYER, layer)],
        }
    ).encode()
    image = Image(repository=repository, digest=f"sha256:{digest_of(manifest)}", command=("true",))
    place = folder / folder_of(image)
    place.mkdir(parents=True)
    (place / "version").write_text("Directory Transport Version: 1.1\n")
    (place / "manifest.json").write_bytes(manifest)
    for blob in (config, layer):
        (place / digest_of(blob)).write_bytes(blob)
    return image


def digest_of(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def descriptor(kind: str, content: bytes) -> dict[str, object]:
    """Say of a blob what a manifest says."""
    return {"mediaType": kind, "size": len(content), "digest": f"sha256:{digest_of(content)}"}


def add(
    tar: tarfile.TarFile, name: str, content: bytes | None = None, *, link: str = "", executable: bool = False
) -> None:
    """Add a file, a link, or a folder where there is neither, with no time and no owner but root."""
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.SYMTYPE if link else tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.linkname, entry.size = link, len(content or b"")
    entry.mode = 0o755 if executable or content is None else 0o644
    if name in {"tmp", "var/tmp"}:
        entry.mode = 0o1777  # as in every image: what is mounted over it takes this
    tar.addfile(entry, io.BytesIO(content) if content is not None else None)
