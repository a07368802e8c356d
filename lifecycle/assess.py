"""`deploy assess`: answers and prices in, an assessment and its page out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from lifecycle import files
from planner.assess.assessment import assess
from planner.assess.report import Assessment
from planner.assess.situation import Situation
from planner.assess.situation_text import check, parse_situation
from planner.catalogue import Catalogue
from planner.errors import UsageError

MAX_BYTES = 256 * 1024
"""No answers are larger; a larger file is some other file."""


def load_situation(path: Path) -> Situation:
    """Read answers from a file.

    Raises:
        UsageError: it cannot be read, or is not what answers look like.

    """
    return parse_situation(read_text(path), str(path))


def judge(situation: Situation, catalogue: Catalogue) -> Assessment:
    """Return the assessment.

    Raises:
        UsageError: the answers contradict one another, or name what the catalogue lacks.

    """
    check(situation)
    return assess(situation, catalogue)


def refuse_bad_place(path: Path) -> None:
    """Make sure that a page can be written there.

    Raises:
        UsageError: there is no such folder, or a folder has that name.

    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            f"{path} is no place for a page",
            hint=f"Name a file; the folder {path.parent} must exist. Nothing was written.",
        )


def write_page(assessment: Assessment, path: Path) -> None:
    """Write the page; only its owner can read it.

    Raises:
        OSError: the folder is missing, full or read-only.

    """
    from templates.assess_page import render_assessment  # noqa: PLC0415 - templates and charts: only when one is asked

    files.write(path, render_assessment(assessment, dt.datetime.now(dt.UTC).date()))


def write_answers(situation: Situation, path: Path) -> None:
    """Keep the answers as a file for `--answers`.

    Raises:
        UsageError: there is a file already, or no folder for it.

    """
    from templates.answers import render_answers  # noqa: PLC0415

    if path.exists() or not path.parent.is_dir():
        raise UsageError(f"{path} exists already, or its folder does not", hint="Name a new file. Nothing was written.")
    files.write(path, render_answers(situation))


def example_text() -> str:
    """Return a file of answers to start from."""
    from planner.assess.example import EXAMPLE  # noqa: PLC0415
    from templates.answers import render_answers  # noqa: PLC0415

    return render_answers(EXAMPLE)


def read_text(path: Path) -> str:
    """Return a small text file.

    Raises:
        UsageError: it is missing, too large, or no text.

    """
    hint = "`deploy assess --example > answers.toml` makes one to start from."
    try:
        if path.stat().st_size > MAX_BYTES:
            told = f"{path}: larger than {MAX_BYTES // 1024} KiB: these are no answers"
            raise UsageError(told, hint=hint, code="answers_invalid")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", hint=hint, code="answers_invalid") from error
