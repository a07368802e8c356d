"""Previews the program for every shipped profile, in a process of its own: Pulumi's threads leave event loops behind.

Run as `python -m tests.policies.preview_program`; writes a pickle of {profile: (plan, resources)} to standard output.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.progress import Silent
from planner.resources import Resource

PROFILES = sorted(path.stem for path in (Path(__file__).parents[2] / "profiles").glob("*.toml"))

Previewed = dict[str, tuple[Plan, tuple[Resource, ...]]]


def preview(profile: str) -> tuple[Plan, tuple[Resource, ...]]:
    plan = make_plan(load_profile(profile), load_catalogue(), Site(stack="example"))
    with TemporaryDirectory() as folder:
        return plan, Provisioner(plan, Home(Path(folder)).stack("example"), Silent()).preview().resources


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps({profile: preview(profile) for profile in PROFILES}))
