"""Previews every shipped profile on every target, in a process of its own: Pulumi's threads leave event loops behind.

Run as `python -m tests.policies.preview_program`; writes a pickle of {(profile, target): Previewed} to standard output.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime
from planner.layout import Layout
from planner.make_plan import Site, make_plan
from planner.plan import Plan, Target
from planner.progress import Silent
from planner.resources import Resource
from templates.render import render

PROFILES = sorted(path.stem for path in (Path(__file__).parents[2] / "profiles").glob("*.toml"))
TARGETS: tuple[Target, ...] = get_args(Target)
ACCOUNT = "123456789012"
ROLES = ("config", "data", "logs", "secrets", "tls", "run")
LAYOUT = Layout(stack="/stack", **{role: f"/stack/{role}" for role in ROLES})
MOMENT = datetime(2026, 12, 1, 10, tzinfo=UTC)
"""When the stacks with a deadline were asked for."""


@dataclass(frozen=True)
class Shipped:
    """What rules get to see of a stack before it is made."""

    plan: Plan
    resources: tuple[Resource, ...]
    files: dict[str, str]


Previewed = dict[str, Shipped]


def preview(profile: str, target: Target = "sandbox", lifetime: Lifetime | None = None) -> Shipped:
    account = ACCOUNT if target == "aws" else ""
    site = Site(stack="example", target=target, account=account, lifetime=lifetime)
    plan = make_plan(load_profile(profile), load_catalogue(), site)
    with TemporaryDirectory() as folder:
        resources = Provisioner(plan, Home(Path(folder)).stack("example"), Silent()).preview().resources
    return Shipped(plan, resources, render(plan, LAYOUT))


def all_previews() -> Previewed:
    """Every profile on every target, and one that ends by itself."""
    plain = {f"{profile} on {target}": preview(profile, target) for profile in PROFILES for target in TARGETS}
    until = Lifetime(since=MOMENT, until=MOMENT + timedelta(days=7), max_cost_usd=None)
    return {**plain, "poc on aws, for a week": preview("poc", "aws", until)}


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(all_previews()))
