"""A bundle for a profile: what its plan's hosts need, and the weights that were fetched for its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lifecycle.bundle.make import MakeReport, make
from lifecycle.home import Home
from lifecycle.model_config import config_of
from lifecycle.profiles import load_profile
from lifecycle.weights import folder_of
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.make_plan import Site, make_plan
from planner.progress import Progress


def make_for_profile(
    home: Home,
    profile: str,
    folder: Path,
    progress: Progress,
    *,
    codenames: Sequence[str],
    weights: Path | None = None,
    mirrors: Mapping[str, str] | None = None,
) -> MakeReport:
    """Make a bundle for a profile.

    Args:
        home: where weights that were fetched lie, and an interrupted run is noted.
        profile: name or path.
        folder: where it goes.
        progress: told what is fetched.
        codenames: releases that the hosts run.
        weights: folder of the checkpoint; None to take what was fetched, if anything was.
        mirrors: code name -> address of an archive.

    Raises:
        DeployError: something cannot be had, or may not be in a bundle.

    """
    catalogue, asked = load_catalogue(), load_profile(profile)
    plan = make_plan(asked, catalogue, Site(stack="bundle", target="aws", model_config=config_of(asked.model)))
    contents = contents_of(plan, catalogue)
    fetched = folder_of(home, contents.model) if contents.model else None
    if weights is None and fetched is not None and fetched.is_dir():
        weights = fetched
    return make(home, folder, contents, catalogue, progress, codenames=codenames, weights=weights, mirrors=mirrors)
