"""The rendered files of every shipped profile, word for word. `UPDATE_GOLDEN=1` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lifecycle.profiles import shipped_names
from templates.render import render
from tests.templates.stacks import layout_below, plan_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("profile", shipped_names())
def test_files_are_as_they_were(profile: str) -> None:
    folder = GOLDEN / profile
    rendered = render(plan_of(profile), layout_below("/stack"))
    if os.environ.get("UPDATE_GOLDEN"):
        for path, text in rendered.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    there = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert rendered == there


def test_golden_folders_are_those_of_the_shipped_profiles() -> None:
    assert sorted(folder.name for folder in GOLDEN.iterdir()) == sorted(shipped_names())
