"""`pulumi up` by hand, as a Pulumi user would, with the repository's own project file and policy pack."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from planner.plan import to_json
from tests.engine.site import MARKS, Site
from tests.parts import require

pytestmark = MARKS
ROOT = Path(__file__).parents[2]


def test_pulumi_up_by_hand(site: Site) -> None:
    project = site.folder / "checkout"
    project.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", project)
    (project / ".venv").symlink_to(sys.prefix)  # as `make dev` makes it, with the repository linked into it
    (project / "stacks").symlink_to(ROOT / "stacks")
    (project / "policies").symlink_to(ROOT / "policies")
    environment = site.place().prepare() | {"PYTHONPATH": str(ROOT)}
    pulumi = require("pulumi")

    def run(*words: str) -> str:
        command = [pulumi, *words, "--non-interactive", "--stack", site.stack]
        ran = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run("stack", "init")
    run("config", "set", "cloister:plan", to_json(site.plan()))
    run("preview", "--policy-pack", "policies")
    run("up", "--yes", "--skip-preview")
    assert set(site.tagged().values()) == {1}
    assert json.loads(run("stack", "output", "--json"))["vpc_id"] == site.vpc()["VpcId"]
    run("up", "--yes", "--skip-preview", "--expect-no-changes")
    run("destroy", "--yes", "--skip-preview")
    assert (site.tagged(), site.named()) == ({}, [])
