"""Every file in cases/ is assessed with the round prices of `book`, and comes to what its `# expect` lines say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.assess.assessment import assess
from planner.assess.situation_text import parse_situation
from planner.errors import DeployError
from tests.planner.assess.book import catalogue

CASES = sorted((Path(__file__).parent / "cases").glob("*.toml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path) -> None:
    lines = case.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert expected, f"{case.name} expects nothing"
    if expected[0].startswith("error "):
        with pytest.raises(DeployError) as refused:
            assessed(case)
        assert expected[0].removeprefix("error ").replace("{file}", str(case)) in refused.value.message
        assert refused.value.exit_code == 2
        assert refused.value.hint
        return
    result = assessed(case)
    for expectation in expected:
        path, _, value = expectation.partition(" == ")
        wanted = json.loads(value)
        if isinstance(wanted, float):
            assert at(result, path) == pytest.approx(wanted, rel=1e-6), path
        else:
            assert at(result, path) == wanted, path


def assessed(case: Path) -> Any:
    situation = parse_situation(case.read_text(encoding="utf-8"), str(case))
    return json.loads(msgspec.json.encode(assess(situation, catalogue())))


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
