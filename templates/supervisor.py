"""The supervisor's configuration: which programs there are, and how to start them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import msgspec

from planner.errors import UsageError
from planner.layout import Layout
from templates.environment import environment


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program as the supervisor sees it."""

    name: str
    argv: tuple[str, ...]
    stop_wait_s: int = 10


def socket_path(layout: Layout) -> str:
    """Return the supervisor's socket."""
    return f"{layout.run}/supervisor.sock"


def render_supervisor(programs: Iterable[Program], layout: Layout) -> str:
    """Return supervisord.conf."""
    rows = [
        {
            "name": program.name,
            "command": _escaped(shlex.join(program.argv)),
            "log": _escaped(f"{layout.logs}/{program.name}.log"),
            "stop_wait_s": program.stop_wait_s,
        }
        for program in programs
    ]
    template = environment().get_template("processes/supervisord.conf.j2")
    return template.render(
        programs=rows, socket=_escaped(socket_path(layout)), logs=_escaped(layout.logs), run=_escaped(layout.run)
    )


def _escaped(text: str) -> str:
    """Escape what the supervisor would expand.

    Raises:
        UsageError: the text holds what begins a comment there, and cannot be escaped.

    """
    if any(mark in text for mark in (" ;", " #", "\n")):
        raise UsageError(
            f"the path {text!r} cannot stand in the supervisor's configuration: it holds ` ;` or ` #`",
            hint="Set CLOISTER_HOME to a folder without them.",
        )
    return text.replace("%", "%%")
