"""Shipped stacks for several test modules: previewed once, in a process of their own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.policies.stacks import Previewed

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def previewed() -> Previewed:
    command = [sys.executable, "-m", "tests.policies.preview_program"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: Previewed = pickle.loads(ran.stdout)
    return found
