"""The configuration files of a stack on this machine, as its programs find them."""

from __future__ import annotations

from pathlib import Path

from lifecycle.auditing.records import HostReading, Unread
from planner.layout import Layout
from planner.plan import Plan

WHOLE = ("traefik/dynamic", "prometheus/rules")
"""Folders of which a program reads every file, whoever put it there."""


def read_sandbox(plan: Plan, layout: Layout) -> HostReading:
    """Read what a plan's services are told, below `layout.config`."""
    from templates.render import render  # noqa: PLC0415 - Jinja takes long to load

    files: dict[str, str] = {}
    unread: list[Unread] = []
    folder = Path(layout.config)
    wanted = set(render(plan, layout))
    for name in sorted(wanted):
        try:
            files[name] = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            unread.append(Unread(place=name, why=f"it cannot be read: {error}"))
    found = {str(path.relative_to(folder)) for one in WHOLE for path in (folder / one).rglob("*") if path.is_file()}
    return HostReading(files=files, strangers=tuple(sorted(found - wanted)), unread=tuple(unread))
