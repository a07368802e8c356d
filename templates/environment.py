"""The one Jinja environment: unknown names are errors, and every value is quoted for the language it goes into."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


@cache
def environment() -> Environment:
    """Return the environment. Values pass through `quoted`, which suits YAML, TOML and JSON alike."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    made = Environment(  # noqa: S701 - no HTML is rendered; quoting is the filters' work
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["quoted"] = quoted
    made.filters["method_rule"] = method_rule
    return made


def quoted(value: Any) -> str:
    """Return a value as JSON in ASCII, which YAML reads as it is, and TOML too (for text, numbers and lists of these).

    DEL is escaped as well: JSON lets it stand, TOML and YAML do not.
    """
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def method_rule(method: str) -> str:
    """Return Traefik's matcher of an HTTP method."""
    return f"Method(`{method}`)"
