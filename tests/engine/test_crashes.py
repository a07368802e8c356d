"""The engine killed with SIGKILL: the next run mends what it left, and nothing exists twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.site import MARKS, Site, kinds, program

pytestmark = MARKS
ROOT = Path(__file__).parents[2]


def killed(site: Site, verb: str, count: int, *also: str) -> None:
    command = [sys.executable, "-m", "tests.engine.killed", str(site.folder), site.url, site.stack, verb, str(count)]
    ran = subprocess.run([*command, *also], check=False, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr or "DeployError" in ran.stderr


@pytest.mark.parametrize("count", [1, 8, 24])
def test_up_goes_on_where_a_killed_engine_left_off(site: Site, count: int) -> None:
    killed(site, "up", count)
    engine, plan = site.engine(), site.plan()
    engine.up(program(plan))
    assert set(site.tagged().values()) == {1}
    assert len(site.named()) == len(set(site.named()))
    assert set(kinds(engine.up(program(plan)).changes)) == {"same"}
    assert engine.refresh() == ()
    engine.destroy()
    assert (site.tagged(), site.named()) == ({}, [])


def test_up_goes_on_when_everything_was_killed(site: Site) -> None:
    killed(site, "up", 12, "python")
    site.engine().up(program(site.plan()))
    assert set(site.tagged().values()) == {1}


@pytest.mark.parametrize("count", [2, 20])
def test_destroy_finds_what_a_killed_engine_left(site: Site, count: int) -> None:
    killed(site, "up", count)
    site.engine().destroy()
    assert (site.tagged(), site.named()) == ({}, [])


def test_a_killed_destroy_goes_on(site: Site) -> None:
    site.engine().up(program(site.plan()))
    killed(site, "destroy", 9)
    assert site.tagged()
    site.engine().destroy()
    assert (site.tagged(), site.named()) == ({}, [])
