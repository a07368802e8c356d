"""Previews every shipped profile on every target, in a process of its own: Pulumi's threads leave event loops behind.

Run as `python -m tests.policies.preview_program`; writes a pickle of {name: Shipped} to standard output.
"""

from __future__ import annotations

import pickle
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import msgspec

from lifecycle.home import Home
from lifecycle.node_files import node_files
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime
from planner.layout import Layout
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Target
from planner.profile import AlertsSection
from planner.progress import Silent
from tests.alerts import BOTH
from tests.policies.stacks import Previewed, Shipped

PROFILES = sorted(path.stem for path in (Path(__file__).parents[2] / "profiles").glob("*.toml"))
TARGETS: tuple[Target, ...] = get_args(Target)
ENDING = "poc on aws, for a week"
TOLD: dict[str, Target] = {f"poc on {target}, with receivers of alerts": target for target in TARGETS}
STACKS = [*(f"{profile} on {target}" for profile in PROFILES for target in TARGETS), ENDING, *TOLD]
ACCOUNT = "123456789012"
ROLES = ("config", "data", "logs", "secrets", "tls", "run")
LAYOUT = Layout(stack="/stack", **{role: f"/stack/{role}" for role in ROLES})
MOMENT = datetime(2026, 12, 1, 10, tzinfo=UTC)
"""When the stacks with a deadline were asked for."""


def preview(
    profile: str,
    target: Target = "sandbox",
    lifetime: Lifetime | None = None,
    alerts: AlertsSection = AlertsSection(),  # noqa: B008 - frozen
) -> Shipped:
    account = ACCOUNT if target == "aws" else ""
    hosts = (HostPlan(name="host", address="10.0.0.10", gpus=8),) if target == "metal" else ()
    site = Site(stack="example", target=target, account=account, lifetime=lifetime, hosts=hosts)
    plan = make_plan(msgspec.structs.replace(load_profile(profile), alerts=alerts), load_catalogue(), site)
    if hosts:
        return Shipped(plan, (), node_files(plan, LAYOUT))
    with TemporaryDirectory() as folder:
        resources = Provisioner(plan, Home(Path(folder)).stack("example"), Silent()).preview().resources
    return Shipped(plan, resources, node_files(plan, LAYOUT))


def all_previews() -> Previewed:
    """Every profile on every target, one that ends by itself, and one whose alerts are told."""
    plain = {f"{profile} on {target}": preview(profile, target) for profile in PROFILES for target in TARGETS}
    until = Lifetime(since=MOMENT, until=MOMENT + timedelta(days=7), max_cost_usd=None)
    told = {name: preview("poc", target, alerts=BOTH) for name, target in TOLD.items()}
    return {**plain, ENDING: preview("poc", "aws", until), **told}


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(all_previews()))
