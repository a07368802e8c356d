"""A user's rows over the catalogue: every file in cases/overrides must come to what its `# expect:` lines say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.catalogue import Catalogue, load_catalogue
from planner.catalogue.overrides import with_overrides
from planner.errors import UsageError

CASES = sorted((Path(__file__).parent / "cases" / "overrides").glob("*.toml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path) -> None:
    text = case.read_text(encoding="utf-8")
    expected = [line.removeprefix("# expect: ") for line in text.splitlines() if line.startswith("# expect: ")]
    assert expected, f"{case.name} expects nothing"
    if expected[0].startswith("error "):
        with pytest.raises(UsageError) as refused:
            with_overrides(load_catalogue(), text, case.name)
        assert expected[0].removeprefix("error ").replace("{file}", case.name) in refused.value.message
        assert refused.value.hint
        return
    changed = with_overrides(load_catalogue(), text, case.name)
    for expectation in expected:
        path, _, value = expectation.partition(" == ")
        assert found(changed, path) == json.loads(value), path


def found(catalogue: Catalogue, path: str) -> Any:
    """Return a value of the catalogue, or, for `count TABLE [HOST CAPACITY]`, how many rows there are."""
    if path.startswith("count "):
        table, *wanted = path.split()[1:]
        return sum(not wanted or [row.host, row.capacity] == wanted for row in getattr(catalogue, table))
    table, name, *rest = path.split(".")
    rows = getattr(catalogue, table)
    value: Any = msgspec.to_builtins(rows[name] if isinstance(rows, dict) else rows[int(name)])
    for key in rest:
        value = value[int(key)] if isinstance(value, list | tuple) else value[key]
    return list(value) if isinstance(value, tuple) else value


def test_the_shipped_catalogue_is_left_alone() -> None:
    case = next(case for case in CASES if case.stem == "every-table")
    before = msgspec.json.encode(load_catalogue())
    with_overrides(load_catalogue(), case.read_text(encoding="utf-8"), case.name)
    assert msgspec.json.encode(load_catalogue()) == before


def test_a_file_with_a_short_name_is_a_source_too() -> None:
    text = '[[rate]]\nbase = "EUR"\nquote = "USD"\nper_unit = 1.2\nas_of = 2026-11-01\n'
    assert with_overrides(load_catalogue(), text, "p").rates[0].source == "file p"
