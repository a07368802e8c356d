"""An assessment becomes one page that holds everything: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from planner.assess.advice import month_words, volume_words
from planner.assess.report import Assessment
from templates.charts import TITLES, charts
from templates.environment import page_environment

ADVICE_WORDS = {
    "api-first": "API first",
    "hybrid": "Hybrid",
    "self-host-first": "Self-host first",
    "none": "No strategy passes the hard conditions",
}
TABLE_POINTS = 10
"""Rows of the table beside the chart of cost against volume."""


def render_assessment(assessment: Assessment, made_on: dt.date) -> str:
    """Return the page as HTML.

    Raises:
        jinja2.UndefinedError: the template names what the assessment does not have.

    """
    drawn = {chart.name: chart for chart in charts(assessment)}
    names = {line.name: line.title for bill in assessment.bills for line in bill.lines}
    rows = [
        (title, [next((line for line in bill.lines if line.name == name), None) for bill in assessment.bills])
        for name, title in names.items()
    ]
    return (
        page_environment()
        .get_template("assess.html.j2")
        .render(
            a=assessment,
            made_on=made_on,
            advice=ADVICE_WORDS[assessment.recommendation.advice],
            titles=TITLES,
            headline=[assessment.bill(strategy) for strategy in TITLES],
            item_rows=rows,
            # Markup: ElementTree wrote these elements, and escaped every text in them.
            charts={name: Markup(chart.svg) for name, chart in drawn.items()},  # noqa: S704 - our own drawing, whose words matplotlib escapes
            chart_titles={name: chart.title for name, chart in drawn.items()},
            volumes=assessment.volumes[:: max(1, len(assessment.volumes) // TABLE_POINTS)],
            volume_words=volume_words,
            month_words=month_words,
        )
    )
