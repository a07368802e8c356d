"""A real bundle for hosts without GPUs: what comes from the internet is fetched once per machine, then kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import platformdirs
from filelock import FileLock

from lifecycle.bundle.check import seal
from lifecycle.bundle.collect.found import cache_folder
from lifecycle.bundle.collect.modules import collect_module
from lifecycle.bundle.collect.roles import packages_of_roles
from lifecycle.bundle.collect.wheels import LOCKS, ROOT, UV_LOCK
from lifecycle.bundle.make import make
from lifecycle.bundle.place import place
from lifecycle.home import Home
from planner.catalogue import load_catalogue
from planner.contents import Contents
from planner.progress import Silent

REHEARSAL = Contents(modules=("gateway", "sandbox.vllm_sim"), packages=("prometheus",))
"""What hosts need where the engine is imitated."""


def fetched(*codenames: str, contents: Contents = REHEARSAL) -> Path:
    """Return the folder of a bundle with everything that takes a network; it is made on the first call."""
    locks = [(ROOT / name).read_text() for name in (LOCKS["gateway"], UV_LOCK)]
    recipe = msgspec.json.encode([locks, packages_of_roles(), contents.packages, sorted(codenames)])
    folder = Path(platformdirs.user_cache_dir("cloister")) / "test-bundles"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / hashlib.sha256(recipe).hexdigest()[:16]
    with FileLock(f"{made}.lock"):
        if not made.is_dir():
            growing = made.with_suffix(".growing")
            make(Home(folder / "home"), growing, contents, load_catalogue(), Silent(), codenames=codenames)
            growing.rename(made)
    return made


def downloads_without_images(folder: Path) -> Path:
    """Make a cache for `XDG_CACHE_HOME` that shares this user's packages and wheels, and has no image."""
    ours = folder / "cloister" / "bundle"
    ours.mkdir(parents=True)
    for name in ("apt", "wheels"):
        (cache_folder() / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        (ours / name).symlink_to(cache_folder() / name)
    return folder


def bundle(folder: Path, *codenames: str, contents: Contents = REHEARSAL) -> str:
    """Make a bundle in a folder, with our own modules as they are now; return its id."""
    kept = fetched(*codenames, contents=contents)
    ours = {path: file for name in contents.modules for path, file in collect_module(name, "0").files.items()}
    others = {
        file.relative_to(kept).as_posix(): file
        for file in kept.rglob("*")
        if file.is_file() and "programs/cloister/" not in file.as_posix() and file.name != "manifest.json"
    }
    place(folder, {**others, **ours})
    return seal(Home(folder.parent / "home"), folder, {}, Silent()).bundle
