"""Answers of an assessment become the TOML file that a person keeps and edits."""

from __future__ import annotations

from typing import Any

import msgspec

from planner.assess.situation import Situation
from templates.environment import environment, quoted


def render_answers(situation: Situation) -> str:
    """Return the file: every field with its meaning, those that were not given as comments."""
    template = environment().get_template("answers.toml.j2")
    return template.render(s=situation, weights=msgspec.structs.asdict(situation.weights), optional=_optional)


def _optional(name: str, value: Any, example: Any) -> str:
    return f"# {name} = {quoted(example)}" if value is None else f"{name} = {quoted(value)}"
