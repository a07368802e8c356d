"""A stack on AWS without Pulumi's CLI: the same program, carried out in this process on the emulated account."""

from __future__ import annotations

import os
from pathlib import Path

from lifecycle.engines import ResourceEngine, in_process_on
from lifecycle.home import StackHome
from lifecycle.planning import PlanReport
from planner.plan import Plan
from planner.progress import Progress
from sandbox.handlers.clients import Boto3Clients

PROFILE = """
extends = "2xh200"
description = "of a test"
"""


def handlers(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:
    """Take the place of `real_on_aws`."""
    clients = Boto3Clients(os.environ["AWS_ENDPOINT_URL"], plan.network.region) if connected else None
    return in_process_on(clients, plan, home)


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
