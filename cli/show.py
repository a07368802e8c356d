"""Everything that reaches a screen or a script: JSON on stdout, words for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from planner.errors import DeployError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def emit_json(value: Any) -> None:
    """Print one JSON document on stdout: structs, mappings, sequences."""
    import msgspec

    emit_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def emit_text(text: str) -> bool:
    """Print text on stdout as it is, at once: what reads it through a pipe may wait for it while we go on.

    Returns whether somebody still reads: without a reader there is nothing to go on for where lines have no end.
    """
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()
    return not getattr(sys.stdout, "left", False)


def console() -> Console:
    """Return a console on stdout: colours only on a terminal, never with NO_COLOR; `:AB:` in a fingerprint stays."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def show(*items: RenderableType) -> None:
    """Print renderables on stdout."""
    out = console()
    for item in items:
        out.print(item)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", named: bool = False
) -> RenderableType:
    """Lay rows out under their columns; `named`: the first column holds names to copy, and is never broken."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    laid = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in laid.columns:
        column.overflow = "fold"  # rather than to cut words short
    if named:
        laid.columns[0].no_wrap = True
    for row in rows:
        laid.add_row(*(escape(cell) for cell in row))
    return laid


def card(title: str, rows: Iterable[tuple[str, str]], *, style: str = "green") -> RenderableType:
    """Frame labelled lines."""
    from rich import box
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(escape(label), escape(text))
    return Panel(grid, title=escape(title), title_align="left", border_style=style, box=box.ROUNDED, expand=False)


def confirm(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    import typer

    return sys.stdin.isatty() and bool(typer.confirm(question, err=True))


def show_error(error: DeployError, *, as_json: bool) -> None:
    """Say what happened and what to do next: JSON on stdout for scripts, words on stderr for people."""
    if as_json:
        emit_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return
    red, bold, plain = ("\x1b[31m", "\x1b[1m", "\x1b[0m") if _colours(sys.stderr) else ("", "", "")
    sys.stderr.write(f"{red}error:{plain} {bold}{error.message}{plain}\n")
    for label, text in error.details:
        sys.stderr.write(f"{label:>8}: {text}\n")
    if error.hint:
        sys.stderr.write(f"    next: {error.hint}\n")


def _colours(stream: Any) -> bool:
    import os

    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
