"""A stack on AWS without Pulumi's CLI: the same program, carried out in this process on the emulated account."""

from __future__ import annotations

import os
from pathlib import Path

from lifecycle import files
from lifecycle.engines import PROJECT, ResourceEngine
from lifecycle.home import StackHome
from lifecycle.planning import PlanReport
from lifecycle.refusals import refuse_resource
from planner.plan import Plan
from planner.progress import Progress
from sandbox.engine import Engine, StateFile
from sandbox.engine.offline import offline_answers
from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import default_registry

PROFILE = """
extends = "2xh200"
description = "of a test"
"""


def handlers(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:
    """Take the place of `real_on_aws`."""
    region = plan.network.region
    return Engine(
        project=PROJECT,
        stack=plan.stack,
        state=StateFile(home.resources, files.write),
        registry=default_registry(),
        invokes=INVOKES,
        offline=offline_answers(region, plan.account.number),
        clients=Boto3Clients(os.environ["AWS_ENDPOINT_URL"], region) if connected else None,
        gate=refuse_resource,
    )


def profile(folder: Path, text: str) -> str:
    """Write a profile of one's own, and return its path."""
    path = folder / "mine.toml"
    path.write_text(PROFILE + text, encoding="utf-8")
    return str(path)


class Agreeing:
    """Agrees or not, and keeps what it was shown."""

    def __init__(self, *, answer: bool = True) -> None:
        self.answer = answer
        self.shown: list[PlanReport] = []

    def __call__(self, report: PlanReport) -> bool:
        self.shown.append(report)
        return self.answer
