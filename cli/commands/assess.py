"""`deploy assess`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json

Answers = Annotated[
    Path | None, typer.Option("--answers", "-a", metavar="FILE", help="Answers, as TOML; without it, questions.")
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page with charts.")]
Prices = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="Prices and assumptions of your own, over the shipped ones."),
]
Example = Annotated[bool, typer.Option("--example", help="Print answers to start from, and do nothing else.")]


def assess(
    answers: Answers = None,
    html: Html = None,
    prices: Prices = None,
    example: Example = False,
    as_json: Json = False,
) -> None:
    """Say whether to self-host at all, with the numbers: 24 months of hosted API, hybrid and own capacity.

    \b
    Examples:
      deploy assess
      deploy assess --example > answers.toml
      deploy assess --answers answers.toml --html assessment.html
    """
    from cli.assess_view import assessment_page
    from cli.questions import ask_situation, offer_to_keep
    from cli.show import emit_json, emit_text, show
    from lifecycle.assess import example_text, judge, load_situation, refuse_bad_place, write_page
    from lifecycle.prices import priced_catalogue
    from planner.assess.example import EXAMPLE

    if example:
        emit_json(EXAMPLE) if as_json else emit_text(example_text())
        return
    if html is not None:
        refuse_bad_place(html)  # before anybody has answered twenty questions
    catalogue = priced_catalogue(prices)
    if answers is not None:
        situation = load_situation(answers)
    else:
        situation = ask_situation()
        offer_to_keep(situation)
    assessment = judge(situation, catalogue)
    if html is not None:
        write_page(assessment, html)
    if as_json:
        emit_json(assessment)
    else:
        show(*assessment_page(assessment, html))
