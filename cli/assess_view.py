"""An assessment in words and tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.show import card, table
from planner.assess.advice import TITLES, month_words, volume_words
from planner.assess.report import Assessment, Bill

if TYPE_CHECKING:
    from rich.console import RenderableType

ADVICE_WORDS = {
    "api-first": "API first",
    "hybrid": "hybrid",
    "self-host-first": "self-host first",
    "none": "no strategy passes the hard conditions",
}
TORNADO_ROWS = 6
"""The largest effects; the page and --json have all."""


def assessment_page(assessment: Assessment, html: Path | None) -> Iterator[RenderableType]:
    """Yield the assessment, laid out; `html` is the page that was written."""
    advice = assessment.recommendation
    title = ADVICE_WORDS[advice.advice] + (f" on {advice.option}" if advice.option else "")
    yield card(
        title + (" (a close call)" if advice.close else ""),
        [("because" if at == 0 else "", sentence) for at, sentence in enumerate(advice.because)],
        style="green" if advice.advice != "none" else "red",
    )
    if assessment.gates:
        yield table(
            ["strategy", "condition", "result", "why"],
            [(_named(TITLES[g.strategy], g.option), g.title, g.status, g.why) for g in assessment.gates],
            title="Hard conditions",
        )
    yield _totals(assessment)
    yield _per_million(assessment)
    yield _items(assessment)
    yield table(
        ["strategy", "volume", "month"],
        [
            (_named(TITLES[found.strategy], found.option), volume_words(found), month_words(found))
            for found in assessment.break_evens
        ],
        title="Where own capacity begins to cost less than the API",
    )
    yield _tornado(assessment)
    yield _criteria(assessment)
    yield table(["risk", "why", "what to do"], [(r.title, r.why, r.answer) for r in assessment.risks], title="Risks")
    yield table(
        ["week", "step", "how", "stop if"],
        [(str(step.week), step.title, step.how, step.stop) for step in assessment.first_days],
        title="Measure before you buy: the first 30 days",
    )
    yield "Not counted: " + "; ".join(assessment.not_counted) + "."
    yield _unsure(assessment)
    if html is not None:
        yield f"Page: {html}"


def _totals(assessment: Assessment) -> RenderableType:
    rows = [
        (
            _named(TITLES[bill.strategy], bill.option),
            *(_amount(value) for value in (bill.total.low, bill.total.typical, bill.total.high)),
            "yes" if bill.allowed else "no",
        )
        for bill in assessment.bills
    ]
    title = f"{assessment.months} months, {assessment.currency}"
    return table(["strategy", "low", "typical", "high", "allowed"], rows, title=title)


def _per_million(assessment: Assessment) -> RenderableType:
    """Lay out what a million tokens costs: in all, and of machines alone per million generated."""
    rows = [
        (
            _named(TITLES[bill.strategy], bill.option),
            f"{bill.per_million.typical:,.2f}",
            f"{bill.generated_expected.typical:,.2f}" if bill.generated_expected else "",
            f"{bill.generated_full.typical:,.2f}" if bill.generated_full else "",
            f"{bill.utilisation:.1%}" if bill.option else "",
        )
        for bill in assessment.bills
    ]
    columns = ["strategy", "all costs", "machines, generated", "if always busy", "busy"]
    return table(columns, rows, title=f"Per million tokens, {assessment.currency}, typical")


def _items(assessment: Assessment) -> RenderableType:
    """Lay the items of the three strategies out side by side."""
    shown = [assessment.bill(strategy) for strategy in TITLES]
    names = {line.name: line.title for bill in shown for line in bill.lines}
    rows = [(title, *(_item(bill, name) for bill in shown)) for name, title in names.items()]
    rows.append(("total", *(_amount(bill.total.typical) for bill in shown)))
    columns = ["item", *(_named(TITLES[bill.strategy], bill.option) for bill in shown)]
    return table(columns, rows, title=f"Item by item, {assessment.currency}, typical")


def _item(bill: Bill, name: str) -> str:
    return next((_amount(line.typical) for line in bill.lines if line.name == name), "")


def _tornado(assessment: Assessment) -> RenderableType:
    tornado = next(row for row in assessment.tornados if row.strategy == _compared(assessment))
    rows = [
        (swing.title, swing.low_label, _amount(swing.at_low), swing.high_label, _amount(swing.at_high),
         "turns the result" if swing.flips else "")
        for swing in tornado.swings[:TORNADO_ROWS]
    ]  # fmt: skip
    title = f"{TITLES[tornado.strategy]} on {tornado.option} less API: {_amount(tornado.base)}; one figure moved"
    return table(["figure", "lower", "difference", "upper", "difference", ""], rows, title=title)


def _compared(assessment: Assessment) -> str:
    return "hybrid" if assessment.recommendation.advice == "hybrid" else "self-host"


def _criteria(assessment: Assessment) -> RenderableType:
    advice = assessment.recommendation
    rows = [
        (row.title, f"{row.weight:.0%}", *(f"{row.scores[strategy]:.1f}" for strategy in TITLES))
        for row in advice.criteria
    ]
    rows.append(("weighted", "", *(f"{advice.scores[strategy]:.1f}" for strategy in TITLES)))
    title = f"Criteria, 0 to 10, judged {advice.criteria_as_of}"
    return table(["criterion", "weight", *TITLES.values()], rows, title=title)


def _unsure(assessment: Assessment) -> str:
    prices = [row for row in assessment.sources if row.kind != "assumption"]
    unsure = [row.what for row in prices if not row.verified]
    assumed = f"{len(assessment.sources) - len(prices)} assumptions of the cost model are listed in --json and --html."
    if not unsure:
        return f"Every price is from a primary source. {assumed}"
    return f"Not from a primary source: {'; '.join(unsure)}. Replace them with quotes: --prices FILE. {assumed}"


def _amount(value: float) -> str:
    return f"{value:,.0f}"


def _named(title: str, option: str) -> str:
    return f"{title}, {option}" if option else title
