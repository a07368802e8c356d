"""Our own Python modules, as hosts run them: without the toolkit."""

from __future__ import annotations

from pathlib import Path

from lifecycle.bundle.collect.found import Component, Found

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "programs/cloister"
LICENCE = "Apache-2.0"


def collect_module(name: str, version: str) -> Found:
    """Return a module's files, and the packages that it lies in.

    Args:
        name: its Python name, for example `sandbox.vllm_sim`.
        version: of the artefact.

    """
    place = Path(*name.split("."))
    sources = [path for path in sorted((ROOT / place).rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    above = [ROOT / parent / "__init__.py" for parent in place.parents if parent != Path()]
    files: dict[str, Path | bytes] = {
        f"{FOLDER}/{path.relative_to(ROOT).as_posix()}": path for path in (*above, *sources)
    }
    paths = tuple(sorted(files))
    return Found(
        files=files,
        components=(Component(sort="module", name=name, version=version, licence=LICENCE, paths=paths),),
    )
