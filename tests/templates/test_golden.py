"""The rendered files of every shipped profile, and of replicas, word for word. `UPDATE_GOLDEN=1` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lifecycle.profiles import shipped_names
from templates.render import render
from tests.templates.stacks import layout_below, plan_of

GOLDEN = Path(__file__).parent / "golden"


REPLICAS = "2xh200-four-replicas"


@pytest.mark.parametrize("name", [*shipped_names(), REPLICAS])
def test_files_are_as_they_were(name: str) -> None:
    folder = GOLDEN / name
    plan = plan_of("2xh200", replicas=4) if name == REPLICAS else plan_of(name)
    rendered = render(plan, layout_below("/stack"))
    if os.environ.get("UPDATE_GOLDEN"):
        for path, text in rendered.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    there = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert rendered == there


def test_golden_folders_are_those_of_the_cases() -> None:
    assert sorted(folder.name for folder in GOLDEN.iterdir()) == sorted([*shipped_names(), REPLICAS])
