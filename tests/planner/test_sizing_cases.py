"""Every file in cases/sizing: a model and a call, and what must come out."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.sizing import size_report
from planner.errors import DeployError
from planner.sizing import SizeRequest

CASES = sorted((Path(__file__).parent / "cases" / "sizing").glob("*.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    expect = case["expect"]
    assert expect, f"{path.name} expects nothing"
    if "error" in expect:
        with pytest.raises(DeployError) as refused:
            sized(case, tmp_path)
        assert expect["error"] in refused.value.message
        assert expect.get("hint", "") in refused.value.hint
        assert refused.value.exit_code == 2
        return
    report = msgspec.to_builtins(sized(case, tmp_path))
    for name, wanted in expect.items():
        check(name, report, wanted)


def sized(case: dict[str, Any], folder: Path) -> Any:
    call = dict(case["call"])
    gpu = call.pop("gpu")
    config = None
    if "config" in case:
        config = folder / "config.json"
        config.write_text(json.dumps(case["config"]))
    return size_report(case.get("model", ""), config, gpu, msgspec.convert(call, SizeRequest))


def check(name: str, report: dict[str, Any], wanted: Any) -> None:
    value: Any = report
    for key in name.split("."):
        value = value[key]
    if name == "remedies":
        for option in wanted:
            assert any(remedy["option"].startswith(option) for remedy in value), (option, value)
    elif name == "notes":
        assert any(wanted in note for note in value), value
    elif isinstance(wanted, dict) and "near" in wanted:
        assert value == pytest.approx(wanted["near"], rel=wanted["within"]), name
    elif isinstance(wanted, dict):
        assert value["low"] <= wanted["holds"] <= value["high"], (name, value)
    else:
        assert value == wanted, name
