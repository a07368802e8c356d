"""What a collector found: files with their places in a bundle, and the components that they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

Sort = Literal["wheel", "package", "program", "module", "model", "data", "image"]


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """Something with a name, a version and a licence.

    Attributes:
        paths: of its files in the bundle.
        licence: as its owner names it; empty where nobody said.
        origin: package URL (purl) where there is one.

    """

    sort: Sort
    name: str
    version: str
    licence: str
    paths: tuple[str, ...]
    origin: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be in a bundle.

    Attributes:
        files: by their path in the bundle: a file that is there, or its content.
        components: that they are.
        remarks: what a person should know of it.

    """

    files: dict[str, Path | bytes]
    components: tuple[Component, ...] = ()
    remarks: tuple[str, ...] = ()


def merged(parts: Sequence[Found]) -> Found:
    """Return all of them as one; what several found is there once."""
    files: dict[str, Path | bytes] = {}
    components: dict[tuple[str, ...], Component] = {}
    for part in parts:
        files |= part.files
        components |= {component.paths: component for component in part.components}
    return Found(
        files=files,
        components=tuple(components[paths] for paths in sorted(components)),
        remarks=tuple(remark for part in parts for remark in part.remarks),
    )


def cache_folder() -> Path:
    """Return where downloads are kept, for all bundles of this user."""
    return Path(platformdirs.user_cache_dir("cloister")) / "bundle"
