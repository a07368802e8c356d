"""Files that an engine would fetch while it runs: fetched now, and held to the digest that the catalogue names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx

from lifecycle.bundle.collect.found import Component, Found, cache_folder
from planner.catalogue.rows import FetchedFile
from planner.errors import DeployError

TIMEOUT_S = 60.0
_BLOCK = 2**20


class FetchError(DeployError):
    """A file could not be had, or is not what the catalogue says."""

    code = "download_failed"


def collect_file(file: FetchedFile) -> Found:
    """Return a file, from the cache or fetched into it.

    Raises:
        FetchError: it cannot be had, or has another digest.

    """
    kept = cache_folder() / "files" / file.sha256
    if not kept.exists():
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _fetch(file, kept)
    name = file.path.rpartition("/")[2]
    described = Component(sort="data", name=name, version=file.sha256[:12], licence=file.licence, paths=(file.path,))
    return Found(files={file.path: kept}, components=(described,))


def _fetch(file: FetchedFile, target: Path) -> None:
    """Download from where an interrupted run stopped; the file gets its name when it is right."""
    part = target.with_suffix(".part")
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with (
            httpx.stream("GET", file.url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False) as answer,
            part.open("ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as sink,
        ):
            answer.raise_for_status()
            for block in answer.iter_bytes(_BLOCK):
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    except httpx.HTTPError as error:
        raise FetchError(f"{file.url} could not be downloaded: {error}", hint="Run it again: it goes on.") from None
    with part.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if found != file.sha256:
        part.unlink()
        raise FetchError(
            f"{file.url} has the digest {found}, and the catalogue says {file.sha256}",
            hint="Run it again; if it stays so, the file there is another one, and nothing takes it unlooked at.",
        )
    part.replace(target)
