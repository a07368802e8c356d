"""Weights from a folder: what was fetched with `deploy weights fetch`, or a checkpoint of one's own."""

from __future__ import annotations

from pathlib import Path

from lifecycle.bundle.collect.found import Component, Found
from planner.bundle import BundleError

SKIPPED = (".cache", ".cloister-weights.json", ".git", ".gitattributes")
"""What downloads leave beside the files."""


def collect_weights(folder: Path, model: str, licence: str) -> Found:
    """Return the files of a checkpoint, links followed (Hugging Face's own cache is made of them).

    Raises:
        BundleError: the folder holds no weights in safetensors.

    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder", hint="Name the folder that holds the checkpoint's files.")
    found = {
        path.relative_to(folder).as_posix(): path.resolve()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in SKIPPED
    }
    if not any(name.endswith(".safetensors") for name in found):
        raise BundleError(
            f"{folder} holds no weights in safetensors",
            hint=f"`deploy weights fetch {model}` fetches them; a checkpoint in another format must be converted.",
        )
    files: dict[str, Path | bytes] = {f"weights/{model}/{name}": path for name, path in found.items()}
    described = Component(sort="model", name=model, version="", licence=licence, paths=tuple(sorted(files)))
    return Found(files=files, components=(described,))
