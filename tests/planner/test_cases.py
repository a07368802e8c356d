"""Every profile in cases/profiles is planned, and must come to what its `# expect` lines say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.model_config import read_config
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import to_json

CASES = sorted((Path(__file__).parent / "cases" / "profiles").glob("*.toml"))


def expectations(case: Path) -> list[str]:
    lines = case.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path) -> None:
    expected = expectations(case)
    assert expected, f"{case.name} expects nothing"
    if expected[0].startswith("error "):
        with pytest.raises(DeployError) as refused:
            planned(case)
        assert expected[0].removeprefix("error ").replace("{file}", str(case)) in refused.value.message
        assert refused.value.exit_code == 2
        return
    plan = planned(case)
    for expectation in expected:
        path, _, value = expectation.partition(" == ")
        assert at(plan, path) == json.loads(value), path


def planned(case: Path) -> Any:
    profile = load_profile(str(case))
    config = case.parent / profile.model.config if profile.model.config else None
    site = Site(stack="case", model_config=read_config(config) if config else None)
    return json.loads(to_json(make_plan(profile, load_catalogue(), site)))


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
