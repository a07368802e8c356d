"""Evidence becomes one page that holds everything: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from templates.environment import page_environment

Plain = Mapping[str, Any]
"""A record as JSON would have it."""
SOURCES = ("internet", "unnamed", "neighbour", "named", "iam", "host")
BADGES = {
    "holds": "good",
    "violated": "bad",
    "broken": "bad",
    "unknown": "open",
    "undecidable": "bad",
    "waived": "open",
    "off": "open",
    "not judged": "open",
    "not applicable": "aside",
}
WORDS = {"unknown": "decided at apply"}
PATH_WORDS = {
    "internet": "OPEN",
    "unnamed": "OPEN",
    "iam": "open: IAM alone guards it",
    "host": "open: the machine itself",
}
EXPECTED = "open, as planned"
NAMED = 3
"""Machines that a row of the exposure table names; more are counted."""


def render_evidence(evidence: Plain, drawn: str) -> str:
    """Return the page as HTML.

    Args:
        evidence: the record.
        drawn: the picture of the exposure proof, as SVG; empty for none.

    Raises:
        jinja2.UndefinedError: the template names what the record does not have.

    """
    exposure = evidence["exposure"]
    return (
        page_environment()
        .get_template("evidence.html.j2")
        .render(
            e=evidence,
            words=WORDS,
            badges=BADGES,
            paths=_rows(exposure["paths"]) if exposure else [],
            # Markup: ElementTree wrote these elements, and escaped every text in them.
            picture=Markup(drawn),  # noqa: S704 - our own drawing, whose words ElementTree escapes
        )
    )


def _rows(paths: Iterable[Plain]) -> list[dict[str, Any]]:
    """Return the paths, those that differ in the machine alone as one, in the order of their sources."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in paths:
        source = "programs on the machine itself" if path["kind"] == "host" else path["source"]
        why = [edge["why"] for edge in path["edges"] if edge["open"] == path["open"]]
        row = {"kind": path["kind"], "source": source, "port": path["port"], "open": path["open"], "why": why}
        row["verdict"] = PATH_WORDS.get(path["kind"], EXPECTED) if path["open"] else "closed"
        key = (SOURCES.index(path["kind"]), source, path["port"], path["open"], *why)
        rows.setdefault(key, {**row, "targets": []})["targets"].append(path["target"])
    found = sorted(rows.items(), key=lambda item: item[0][:2])
    return [{**row, "targets": _few(row["targets"])} for _, row in found]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
