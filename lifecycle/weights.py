"""`weights fetch` and `weights verify`: a model's files from the hub, of one commit, and held to the hub's own digests.

Only safetensors and what describes a model are fetched: nothing that runs code when it is read. The token of a gated
model comes from the environment (`HF_TOKEN`) and is kept nowhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lifecycle import files
from lifecycle.bundle.check import WHOLE, notes_of
from lifecycle.bundle.digests import BLOCK, digest_all
from lifecycle.bundle.meter import Meter, gigabytes, in_parallel
from lifecycle.home import Home
from planner.bundle import path_fault
from planner.catalogue import load_catalogue
from planner.catalogue.rows import Licence
from planner.errors import DeployError, UsageError
from planner.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

RECORD = ".cloister-weights.json"
"""Beside the files: which commit they are of, and their digests."""
TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the name of a variable
AT_ONCE = 4
"""Downloads at once: the hub gives each connection a share."""
SAFE = (".json", ".jinja", ".md", ".model", ".safetensors", ".tiktoken", ".txt")
"""Suffixes of what is fetched; licences and notices come as well."""
DUPLICATES = ("metal/", "original/")
"""Folders in which vendors repeat the weights in a format of their own."""


class WeightsError(DeployError):
    """A model's files could not be had, or are not what the hub says."""

    code = "weights_failed"


class WeightsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, as the hub has it."""

    path: str
    size: int
    sha256: str


class WeightsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of weights is."""

    schema: int = 1
    model: str
    repository: str
    revision: str
    """The commit."""
    licence: str
    files: tuple[WeightsFile, ...]


class FetchReport(msgspec.Struct, frozen=True, kw_only=True):
    """`weights fetch`."""

    folder: str
    model: str
    repository: str
    revision: str
    licence: str
    files: int
    size: int


class WeightsReport(msgspec.Struct, frozen=True, kw_only=True):
    """`weights verify`: every file that is not as the hub had it, by path."""

    folder: str
    model: str
    revision: str
    ok: bool
    files: int
    size: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]


def folder_of(home: Home, model: str) -> Path:
    """Return where a model's weights are kept unless somebody says otherwise."""
    return home.root / "weights" / model


def licence_of(model: str) -> Licence:
    """Return the licence of a model of the catalogue.

    Raises:
        PlanError: the catalogue has no such model.

    """
    catalogue = load_catalogue()
    return catalogue.licences[catalogue.model(model).licence]


def fetch(
    home: Home,
    model: str,
    progress: Progress,
    *,
    folder: Path | None = None,
    revision: str = "",
    accepted: str = "",
    endpoint: str | None = None,
) -> FetchReport:
    """Fetch a model of the catalogue; an interrupted run goes on, within files as well.

    Args:
        home: where weights are kept when no folder is named.
        model: a row of the catalogue.
        progress: told about bytes.
        folder: where they go instead.
        revision: commit, branch or tag; empty for the commit that the folder already is of, or the newest.
        accepted: name of the licence, when it is more than permissive: somebody read it and answers for that.
        endpoint: address of the hub; its own when None.

    Raises:
        WeightsError: it cannot be had, or what came is not what the hub says.
        UsageError: its licence is not accepted.

    """
    row, licence = load_catalogue().model(model), licence_of(model)
    _check_licence(licence, accepted)
    folder = folder or folder_of(home, model)
    known = _record(folder)
    if known is not None and not revision and known.model == model:
        revision = known.revision
    with _told(row.hub):
        api, info = _asked(row.hub, revision, endpoint)
        wanted = list(_wanted(info))
        total = sum(one.size or 0 for one in wanted)
        with progress.step(f"{row.hub} at {info.sha}: {len(wanted)} files, {gigabytes(total)}"):
            files.make_private_folder(folder)
            meter = Meter(progress, total, "fetched")
            got = in_parallel(lambda one: _get(api, info, one, folder, meter), wanted, AT_ONCE, meter)
    record = WeightsRecord(
        model=model, repository=row.hub, revision=info.sha or "", licence=row.licence, files=tuple(got)
    )
    files.write(folder / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1), files.PUBLIC)
    return FetchReport(
        folder=str(folder),
        model=model,
        repository=row.hub,
        revision=record.revision,
        licence=row.licence,
        files=len(got),
        size=total,
    )


def verify(home: Home, folder: Path, progress: Progress) -> WeightsReport:
    """Compare a folder with what was fetched into it; nothing is changed.

    Raises:
        WeightsError: nothing was fetched into it.

    """
    record = _record(folder)
    if record is None:
        raise WeightsError(
            f"{folder} holds no {RECORD}: it is not known what should be in it",
            hint="`deploy weights fetch MODEL` fetches weights and writes it.",
            code="no_weights",
        )
    named = {one.path: one for one in record.files}
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD and path.relative_to(folder).parts[0] != ".cache"
    }
    paths = {folder / path: path for path in named.keys() & there}
    total = sum(path.stat().st_size for path in paths)
    with progress.step(f"digests of {len(paths)} files, {gigabytes(total)}"):
        made = digest_all(paths, notes_of(home, folder), lambda _: WHOLE, Meter(progress, total, "read"))
    notes_of(home, folder).forget()
    changed = sorted(paths[path] for path, one in made.items() if one.sha256 != named[paths[path]].sha256)
    missing, extra = sorted(named.keys() - there), sorted(there - named.keys())
    return WeightsReport(
        folder=str(folder),
        model=record.model,
        revision=record.revision,
        ok=not (missing or extra or changed),
        files=len(named),
        size=sum(one.size for one in record.files),
        missing=tuple(missing),
        changed=tuple(changed),
        extra=tuple(extra),
    )


def _record(folder: Path) -> WeightsRecord | None:
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=WeightsRecord)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise WeightsError(
            f"{folder / RECORD} cannot be read: {error}", hint="Remove it, and fetch the model again."
        ) from None


def _check_licence(licence: Licence, accepted: str) -> None:
    if licence.commercial == "yes" or accepted == licence.name:
        return
    raise UsageError(
        f"the licence is the {licence.title}. {licence.terms}",
        hint=f"Read it; if your use is allowed, say so with `--accept-licence {licence.name}`.",
        code="licence_not_accepted",
    )


def _asked(repository: str, revision: str, endpoint: str | None) -> tuple[HfApi, ModelInfo]:
    """Return the hub's answer about a repository: one commit, with every file's size and digest."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - it takes its time to load

    # Never a token that somebody left on the disk: only what this command was given.
    api = HfApi(endpoint=endpoint, token=os.environ.get(TOKEN_VARIABLE) or False, library_name="cloister")
    return api, api.model_info(repository, revision=revision or None, files_metadata=True)


def _wanted(info: ModelInfo) -> Iterator[RepoSibling]:
    """Yield the files to fetch.

    Raises:
        WeightsError: there are none in safetensors, or a name leads out of the folder.

    """
    chosen = [one for one in info.siblings or [] if _is_wanted(one.rfilename)]
    if not any(one.rfilename.endswith(".safetensors") for one in chosen):
        raise WeightsError(
            f"{info.id} has no weights in safetensors",
            hint="Other formats run code when they are read. Choose a repository that has them.",
            code="weights_refused",
        )
    for one in chosen:
        if fault := path_fault(one.rfilename):
            raise WeightsError(f"{info.id}: {one.rfilename!r} is not fetched: {fault}", code="weights_refused")
        yield one


def _is_wanted(path: str) -> bool:
    if path.startswith(DUPLICATES):
        return False
    nested = "/" in path
    name = path.rpartition("/")[2]
    return path.endswith(".json") if nested else name.endswith(SAFE) or name.startswith(("LICENSE", "NOTICE"))


def _get(api: HfApi, info: ModelInfo, one: RepoSibling, folder: Path, meter: Meter) -> WeightsFile:
    """Fetch one file, or what is missing of it, and compare it with the hub's digest.

    Raises:
        WeightsError: it differs.

    """
    if meter.stopped:
        meter.advance(0)
    path = Path(api.hf_hub_download(info.id, one.rfilename, revision=info.sha, local_dir=folder))
    sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            if one.lfs is None:
                blob.update(block)
    expected, found = (one.lfs.sha256, sha256.hexdigest()) if one.lfs else (one.blob_id, blob.hexdigest())
    if expected != found:
        path.unlink()
        raise WeightsError(
            f"{info.id}: {one.rfilename} came with the digest {found}, and the hub says {expected}",
            hint="It was removed. Run the same command again.",
            code="weights_wrong",
        )
    meter.advance(one.size or 0)
    return WeightsFile(path=one.rfilename, size=path.stat().st_size, sha256=sha256.hexdigest())


@contextlib.contextmanager
def _told(repository: str) -> Iterator[None]:
    """Say in words what the hub refuses."""
    import httpx2  # noqa: PLC0415 - what the library speaks HTTP with
    from huggingface_hub import errors  # noqa: PLC0415 - as above
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415 - as above

    disable_progress_bars()
    try:
        yield
    except errors.GatedRepoError:
        raise WeightsError(
            f"{repository} is gated: its owner lets in only who accepted its terms there",
            hint=f"Accept them on the model's page, then set {TOKEN_VARIABLE} to a token that may read it.",
            code="weights_gated",
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise WeightsError(
            f"{repository}: {str(error).strip().splitlines()[0]}",
            hint=f"Check the revision. A private repository needs a token in {TOKEN_VARIABLE}.",
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError) as error:
        raise WeightsError(
            f"{repository} could not be fetched: {str(error).strip().splitlines()[0] or type(error).__name__}",
            hint="Is the hub reachable? Then run the same command again: it goes on where it was.",
        ) from None
