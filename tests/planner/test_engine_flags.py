"""The table of vLLM's options, and command lines held against it: cases/engine_flags.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.engine_flags import TABLE, VERSION, Flag, check_arguments, flags
from planner.errors import PlanError
from planner.make_plan import Site, make_plan

CASES = tomllib.loads((Path(__file__).parent / "cases" / "engine_flags.toml").read_text(encoding="utf-8"))
SPELLINGS = {"int": "3", "float": "0.5", "text": "word", "size": "8K", "length": "auto", "json": '{"a": 1}'}


@pytest.mark.parametrize("line", CASES["accepted"])
def test_accepted(line: str) -> None:
    check_arguments(line.split())


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["args"])
def test_refused(case: dict[str, str]) -> None:
    with pytest.raises(PlanError) as refused:
        check_arguments(case["args"].split())
    assert case["says"] in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.hint


def values(flag: Flag) -> list[str]:
    """Return what the option needs behind it."""
    if flag.takes == "nothing":
        return []
    return [flag.choices[0] if flag.choices else SPELLINGS[flag.kind]]


@given(names=st.lists(st.sampled_from(sorted(flags())), max_size=6))
def test_every_option_of_the_table_is_accepted_with_its_value(names: list[str]) -> None:
    check_arguments(["model", *(word for name in names for word in (name, *values(flags()[name])))])


@pytest.mark.parametrize("name", sorted(name for name, flag in flags().items() if flag.takes in {"value", "values"}))
def test_no_option_that_takes_a_value_does_without(name: str) -> None:
    with pytest.raises(PlanError, match="lacks its value"):
        check_arguments(["model", name])


def test_table_is_sorted_sourced_and_without_doubles() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})
    assert {len(row) for row in rows} == {5}
    spellings = [spelling for row in rows for spelling in (row[0], *row[1].split()) if spelling != "-"]
    assert len(spellings) == len(set(spellings)) == len(flags())
    assert len(rows) == 320
    assert "0.33.0" in lines[0]


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_plan_keeps_to_the_table(name: str) -> None:
    catalogue = load_catalogue()
    plan = make_plan(load_profile(name), catalogue, Site(stack="s"))
    check_arguments(plan.engine.args)
    assert catalogue.engines["vllm"].version == VERSION
