"""Charts of an assessment, as SVG inside a page: text stays text, and the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from planner.assess.figures import Strategy
from planner.assess.report import Assessment, Bill

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
LOOK: dict[Strategy, tuple[str, str]] = {
    "api": ("#4477aa", "-"),
    "hybrid": ("#aa3377", "--"),
    "self-host": ("#228833", "-."),
}
"""Strategy -> colour and line; both differ, so that a print in grey can be read. Colours: Paul Tol's bright scheme."""

TITLES: dict[Strategy, str] = {"api": "Hosted API", "hybrid": "Hybrid", "self-host": "Self-hosted"}
SHADES = (
    "#4477aa", "#66ccee", "#88bbdd", "#bbccee", "#99aadd", "#228833", "#99cc66", "#ccbb44", "#ee9944", "#ee6677",
    "#cc4455", "#bbbbbb", "#aa3377", "#775577", "#555555",
)  # fmt: skip
"""One for each item of a bill."""

SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
}


class Chart(NamedTuple):
    """A drawn chart.

    Attributes:
        name: stable name.
        title: what it shows, also for those who cannot see it.
        svg: an `<svg>` element.

    """

    name: str
    title: str
    svg: str


MONEY_TICKS = 5
"""More amounts than this run into each other below a chart."""


def charts(assessment: Assessment) -> tuple[Chart, ...]:
    """Draw all charts of an assessment."""
    currency, months = assessment.currency, assessment.months
    drawn: list[tuple[str, str, float, Callable[[Figure, Assessment], None]]] = [
        (
            "cumulative",
            f"Paid by the end of each month over {months} months, {currency}, low to high",
            3.6,
            _cumulative,
        ),
        (
            "structure",
            f"What {months} months cost, item by item, {currency}",
            0.9 + 0.45 * len(assessment.bills),
            _structure,
        ),
        ("volume", f"Cost per month against a constant volume, {currency}", 3.6, _volume),
    ]
    drawn += [
        (
            f"tornado-{row.strategy}",
            f"{TITLES[row.strategy]} less API over {months} months, {currency}: one figure at a time",
            0.9 + 0.36 * len(row.swings),
            _tornado_of(number),
        )
        for number, row in enumerate(assessment.tornados)
    ]
    return tuple(
        Chart(name, title, _draw(name, title, height, draw, assessment)) for name, title, height, draw in drawn
    )


def _draw(
    name: str, title: str, height: float, draw: Callable[[Figure, Assessment], None], assessment: Assessment
) -> str:
    """Return one chart; `height` in inches."""
    import matplotlib as mpl  # noqa: PLC0415 - a second of start-up, which only this page pays
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - half a second, paid by whoever wants charts
    from matplotlib.figure import Figure as Drawn  # noqa: PLC0415 - as above

    settings: dict[Any, Any] = {**SETTINGS, "svg.hashsalt": name}
    with mpl.rc_context(settings):
        figure = Drawn(figsize=(8.2, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure, assessment)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    return _inline(text.getvalue(), name, title)


def _inline(text: str, name: str, title: str) -> str:
    """Return a drawn document as an element: titled, without names that would clash with other charts' on the page."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(text)  # noqa: S314 - matplotlib wrote it a moment ago
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}:
                parent.remove(child)
            elif child.tag in {f"{{{SVG}}}g", f"{{{SVG}}}text"}:
                child.attrib.pop("id", None)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"chart-{name}"})
    told = ET.Element(f"{{{SVG}}}title", {"id": f"chart-{name}"})
    told.text = title
    root.insert(0, told)
    return ET.tostring(root, encoding="unicode")


def _cumulative(figure: Figure, assessment: Assessment) -> None:
    axes = figure.add_subplot()
    months = range(1, assessment.months + 1)
    for strategy, (colour, line) in LOOK.items():
        bill = assessment.bill(strategy)
        axes.fill_between(months, bill.cumulative_low, bill.cumulative_high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(months, bill.cumulative, line, color=colour, label=_label(bill))
    axes.set_xlabel("month")
    axes.set_xticks([1, 6, 12, 18, 24])
    axes.set_ylim(bottom=0)
    _amounts(axes, "y")
    axes.legend(frameon=False)


def _structure(figure: Figure, assessment: Assessment) -> None:
    axes = figure.add_subplot()
    bills = list(reversed(assessment.bills))
    names = {line.name: line.title for bill in assessment.bills for line in bill.lines}
    left_of_zero, right_of_zero = [0.0] * len(bills), [0.0] * len(bills)
    for shade, (name, title) in zip(SHADES, names.items(), strict=False):
        amounts = [next((line.typical for line in bill.lines if line.name == name), 0.0) for bill in bills]
        starts = [right_of_zero[row] if amount >= 0 else left_of_zero[row] for row, amount in enumerate(amounts)]
        axes.barh(range(len(bills)), amounts, left=starts, color=shade, label=title, height=0.7)
        for row, amount in enumerate(amounts):
            (right_of_zero if amount >= 0 else left_of_zero)[row] += amount
    axes.set_yticks(range(len(bills)), [_label(bill) for bill in bills])
    axes.grid(visible=False, axis="y")
    _amounts(axes, "x")
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=8)


def _volume(figure: Figure, assessment: Assessment) -> None:
    axes = figure.add_subplot()
    volumes = [point.tokens / 1e6 for point in assessment.volumes]
    for strategy, (colour, line) in LOOK.items():
        costs = [point.cost[strategy] for point in assessment.volumes]
        axes.plot(volumes, costs, line, color=colour, label=_label(assessment.bill(strategy)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    now = assessment.tokens_first_month / 1e6
    axes.axvline(now, color="#555555", linewidth=1, linestyle=":")
    axes.annotate(
        "first month", (now, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right", fontsize=8
    )
    for found in assessment.break_evens:
        if assessment.chosen[found.strategy] == found.option and found.volume.first:
            colour = LOOK[found.strategy][0]
            axes.axvline(found.volume.first / 1e6, color=colour, linewidth=1, linestyle=":")
            axes.annotate(
                f"break-even {found.volume.first / 1e6:,.0f}", (found.volume.first / 1e6, 0.02),
                xycoords=("data", "axes fraction"), rotation=90, va="bottom", ha="right", fontsize=8, color=colour,
            )  # fmt: skip
    axes.set_xlabel("million tokens a month, prompts and answers")
    _amounts(axes, "x")
    _amounts(axes, "y")
    axes.legend(frameon=False, loc="upper left")


def _tornado_of(number: int) -> Callable[[Figure, Assessment], None]:
    def draw(figure: Figure, assessment: Assessment) -> None:
        axes = figure.add_subplot()
        tornado = assessment.tornados[number]
        rows = list(reversed(tornado.swings))
        for row, swing in enumerate(rows):
            for value, label, colour in (
                (swing.at_low, swing.low_label, "#4477aa"),
                (swing.at_high, swing.high_label, "#ee9944"),
            ):
                axes.barh(row, value - tornado.base, left=tornado.base, color=colour, height=0.7)
                right = value >= tornado.base
                axes.annotate(
                    label, (value, row), xytext=(4 if right else -4, 0), textcoords="offset points", va="center",
                    ha="left" if right else "right", fontsize=8,
                )  # fmt: skip
        axes.set_yticks(range(len(rows)), [swing.title for swing in rows])
        axes.axvline(0, color="#000000", linewidth=1)
        axes.axvline(tornado.base, color="#555555", linewidth=1, linestyle=":")
        axes.margins(x=0.2)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("below 0: cheaper than the API; dotted: as answered")
        _amounts(axes, "x")

    return draw


def _amounts(axes: Axes, which: str) -> None:
    """Write an axis in plain figures, with separators."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter  # noqa: PLC0415 - as above

    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x" and axes.get_xscale() == "linear":
        axis.set_major_locator(MaxNLocator(MONEY_TICKS))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 1 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _label(bill: Bill) -> str:
    return TITLES[bill.strategy] + (f", {bill.option}" if bill.option else "")
