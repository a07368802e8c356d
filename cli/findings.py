"""Findings of rules as a person reads them: each by itself, for places and messages are longer than a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.finding import Finding

LATER = "decided at apply"
COLOURS = {"violated": "red", "broken": "red", "undecidable": "red"}


def told(findings: Iterable[Finding], *, settled: bool = False) -> Iterator[str]:
    """Yield the lines of each finding: rule and verdict, where it is, what is wrong, what to do.

    Args:
        findings: in the order in which they are told.
        settled: they are of what exists, where nothing is decided later.

    """
    from rich.markup import escape

    for one in findings:
        word = LATER if one.status == "unknown" and not settled else one.status
        colour = COLOURS.get(one.status, "yellow")
        if one.level == "advisory" and one.status == "violated":
            colour = "yellow"
        yield f"[bold]{escape(one.rule)}[/]: [{colour}]{word}[/] ({one.severity}, {one.level})"
        for line in (one.resource, one.message, f"to do: {one.remediation}"):
            yield f"  {escape(line)}"
