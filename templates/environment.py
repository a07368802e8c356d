"""The one Jinja environment: unknown names are errors, and every value is quoted for the language it goes into."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from templates.unit_text import unit_value, unit_word

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent
NOT_PLAIN = re.compile(r"[^ -~]")


@cache
def environment() -> Environment:
    """Return the environment. Values pass through `quoted`, which suits YAML and TOML alike."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - `status` comes near, and renders nothing

    made = Environment(  # noqa: S701 - no HTML is rendered; quoting is the filters' work
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["quoted"] = quoted
    made.filters["method_rule"] = method_rule
    made.filters["no_pattern"] = no_pattern
    made.filters["unit_word"] = unit_word
    made.filters["unit_value"] = unit_value
    return made


@cache
def page_environment() -> Environment:
    """Return the environment of pages for people: every value is escaped as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - `status` comes near, and renders nothing

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    made.filters["amount"] = amount
    made.filters["tokens"] = tokens
    made.filters["share"] = share
    made.filters["code_spans"] = code_spans
    return made


def amount(value: float) -> str:
    """Return money with separators: without cents from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def tokens(value: float) -> str:
    """Return a number of tokens in millions, with three figures at least."""
    millions = value / 1e6
    return f"{millions:,.0f} million" if millions >= 100 else f"{millions:.3g} million"


def share(value: float) -> str:
    """Return a part of the whole in per cent: a decimal below 10 %."""
    return f"{value:.0%}" if abs(value) >= 0.1 else f"{value:.1%}"


def code_spans(text: str) -> Markup:
    """Return text as HTML: escaped, and what stands between backquotes as code."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - as above

    parts = [escape(part) for part in text.split("`")]
    wrapped = [Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts)]
    return Markup("").join(wrapped)


def quoted(value: Any) -> str:
    """Return text, a number or a list of these in ASCII, as YAML and TOML both read it.

    That is JSON but for three things. DEL is escaped, which neither language lets stand. What lies beyond the basic
    plane is one escape, where JSON has two halves that TOML and Go's YAML refuse. And no `{{` is left: Traefik runs its
    dynamic files through Go's templates first.
    """
    text = NOT_PLAIN.sub(lambda match: _escaped(ord(match[0])), json.dumps(value, ensure_ascii=False))
    return text.replace("{{", "\\u007b\\u007b")


def no_pattern(path: str) -> str:
    """Return a path as the pattern that matches it alone, by the rules of Go's `filepath.Match`."""
    return re.sub(r"([\\\[?])", r"\\\1", path)


def method_rule(method: str) -> str:
    """Return Traefik's matcher of an HTTP method."""
    return f"Method(`{method}`)"


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
