"""Real programs that tests run: where they are, and what it means when they are not there."""

from __future__ import annotations

import os
import shutil

import pytest

from lifecycle import parts
from planner.catalogue import load_catalogue
from tests.kubernetes import programs

OPTIONAL = {"pulumi": "Pulumi's engine is in no package registry, so this did not run"}
"""Parts that even CI may lack, and why."""
CONTROL_PLANE = ("kube-apiserver", "etcd")


def require(part: str) -> str:
    """Return the path of a program that a test runs for real.

    A test whose part is missing is skipped, with the reason. In CI (environment variable `CI`) it fails instead:
    there, a proof that does not run is a defect. Parts in `OPTIONAL` are skipped everywhere.
    """
    if (found := _find(part)) is not None:
        return found
    if part in OPTIONAL:
        pytest.skip(f"{part} is not on PATH: {OPTIONAL[part]}")
    if os.environ.get("CI"):
        pytest.fail(f"{part} is missing, and CI proves everything; `make parts` fetches what can be had", pytrace=False)
    pytest.skip(f"{part} is missing; `make parts` fetches what can be had")


def require_root(why: str) -> None:
    """Skip where the tests are not run by root, with the reason; in CI that is a failure."""
    if os.geteuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{why}, and CI proves everything", pytrace=False)
    pytest.skip(why)


def _find(part: str) -> str | None:
    if part == "promtool":
        return parts.promtool()
    if part in load_catalogue().artefacts:
        command = parts.resolve(part)
        return command[0] if command else None
    if part in CONTROL_PLANE:
        return programs.found(part)
    return shutil.which(part)
