"""`bundle make`: everything that a plan's hosts need, collected, named in a bill of materials, and sealed.

An interrupted run goes on: what was downloaded stays in the user's cache, verified, and what was digested is noted. The
same lock files, catalogue, packages and weights give the same bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.bundle.bill import bill_of_materials
from lifecycle.bundle.check import WHOLE, notes_of, seal
from lifecycle.bundle.collect.fetched import collect_file
from lifecycle.bundle.collect.found import Found, merged
from lifecycle.bundle.collect.images import collect_image
from lifecycle.bundle.collect.modules import collect_module
from lifecycle.bundle.collect.packages import collect_packages
from lifecycle.bundle.collect.roles import packages_of_roles
from lifecycle.bundle.collect.weights import collect_weights
from lifecycle.bundle.collect.wheels import check_python, collect_environment, collect_uv
from lifecycle.bundle.digests import digest_all
from lifecycle.bundle.meter import Meter, gigabytes
from lifecycle.bundle.place import BILL, check_folder, place
from lifecycle.home import Home
from planner.catalogue import Catalogue
from planner.catalogue.rows import Release
from planner.contents import Contents
from planner.errors import UsageError
from planner.progress import Progress


class MakeReport(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle make`.

    Attributes:
        bundle: its id.
        size: bytes of all files.
        components: packages, programs and models in it.
        without_licence: components for which nobody said one.
        lacking: what hosts need and the bundle does not hold, in words.
        remarks: what a person should know of what it holds: packages of an archive that was not reached, for one.

    """

    folder: str
    bundle: str
    files: int
    size: int
    components: int
    without_licence: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def make(
    home: Home,
    folder: Path,
    contents: Contents,
    catalogue: Catalogue,
    progress: Progress,
    *,
    codenames: Sequence[str],
    weights: Path | None = None,
    mirrors: Mapping[str, str] | None = None,
) -> MakeReport:
    """Make a bundle.

    Args:
        home: where an interrupted run is noted.
        folder: where it goes; a new or empty one, or one that a bundle was made in.
        contents: what goes in.
        catalogue: versions and licences.
        progress: told what is fetched.
        codenames: releases that the hosts run.
        weights: folder of the checkpoint; None to leave it out.
        mirrors: code name -> address of an archive, for those that this machine's apt does not know.

    Raises:
        DeployError: something cannot be had, or may not be in a bundle.

    """
    releases = _releases(catalogue, codenames)
    check_folder(folder)
    parts = [
        _told(progress, what, work)
        for what, work in _work(contents, catalogue, releases, weights=weights, mirrors=mirrors or {})
    ]
    found = merged(parts)
    with progress.step(f"{len(found.files)} files to {folder}"):
        place(folder, found.files)
    digests = _digests(home, folder, found, progress)
    version = catalogue.artefacts["gateway"].version
    files.write(folder / BILL, bill_of_materials(found.components, digests, version), files.PUBLIC)
    licences = {path: one.licence for one in found.components for path in one.paths if one.licence}
    sealed = seal(home, folder, {**licences, BILL: "Apache-2.0"}, progress)
    return MakeReport(
        folder=str(folder),
        bundle=sealed.bundle,
        files=sealed.files,
        size=sealed.size,
        components=len(found.components),
        without_licence=tuple(sorted({one.name for one in found.components if not one.licence})),
        lacking=(f"the weights of {contents.model}",) if contents.model and weights is None else (),
        remarks=found.remarks,
    )


def _releases(catalogue: Catalogue, codenames: Sequence[str]) -> tuple[Release, ...]:
    if not codenames:
        raise UsageError("no release is named", hint="For example --codename bookworm; it may be repeated.")
    releases = tuple(catalogue.release(name) for name in dict.fromkeys(codenames))
    for release in releases:
        check_python(release)
    return releases


def _work(
    contents: Contents,
    catalogue: Catalogue,
    releases: Sequence[Release],
    *,
    weights: Path | None,
    mirrors: Mapping[str, str],
) -> Iterator[tuple[str, Callable[[], Found]]]:
    """Yield what is to be done, and what it is called."""
    names = {*packages_of_roles(), *contents.packages}
    versions = {source.name: row.version for row in catalogue.artefacts.values() for source in row.sources}
    yield "uv, which makes environments on hosts", partial(collect_uv, releases[0])
    for name in contents.environments:
        yield f"wheels of the environment {name}", partial(collect_environment, name, releases)
    for name in contents.modules:
        yield f"module {name}", partial(collect_module, name, versions[name])
    for release in releases:
        yield f"packages of {release.title}", partial(collect_packages, release, names, mirrors.get(release.name, ""))
    for file in contents.files:
        yield file.path, partial(collect_file, file)
    for image in contents.images:
        yield f"image {image.reference}", partial(collect_image, image)
    if weights is not None:
        row = catalogue.models.get(contents.model)
        yield (
            f"weights of {contents.model}",
            partial(collect_weights, weights, contents.model, row.licence if row else ""),
        )


def _told(progress: Progress, what: str, work: Callable[[], Found]) -> Found:
    with progress.step(what):
        found = work()
        size = sum(len(one) if isinstance(one, bytes) else one.stat().st_size for one in found.files.values())
        progress.note(f"{len(found.files)} files, {gigabytes(size)}")
    return found


def _digests(home: Home, folder: Path, found: Found, progress: Progress) -> dict[str, str]:
    """Return path -> SHA-256; the notes are kept for the seal, which would read everything again."""
    paths = {folder / path: path for path in found.files}
    total = sum(path.stat().st_size for path in paths)
    with progress.step(f"digests of {len(paths)} files, {gigabytes(total)}"):
        made = digest_all(paths, notes_of(home, folder), lambda _: WHOLE, Meter(progress, total, "read"))
    return {paths[path]: digest.sha256 for path, digest in made.items()}
