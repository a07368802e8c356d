"""The page of an assessment: one file that needs nothing else, says everything, and can be trusted to open."""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from html.parser import HTMLParser

import msgspec
import pytest

from planner.assess.assessment import assess
from planner.assess.report import Assessment
from planner.assess.situation import ApiUse, Demand, Hardware, Situation, Throughput
from planner.assess.tco import TITLES
from templates.assess_page import render_assessment
from templates.charts import SHADES, charts
from tests.planner.assess.book import catalogue

pytestmark = pytest.mark.slow

DAY = dt.date(2026, 11, 21)
RATE = Throughput(low=1000, typical=2000, high=3000)
VOID = {"meta", "br", "link", "img"}
EVIL = '<script>alert(1)</script> $\\alpha$ & "quotes"'


def situation(residency: tuple[str, ...] = ("EU",)) -> Situation:
    return Situation(
        data="internal",
        residency=residency,
        demand=Demand(tokens_in_per_month=20e9, tokens_out_per_month=4e9, batch_share=0.2, cached_share=0.3),
        api=(ApiUse(model="big"),),
        hardware=(
            Hardware(host="node", capacity="on-demand", region="north", tokens_per_s=RATE),
            Hardware(host="box", capacity="bought", country="FR", tokens_per_s=RATE),
        ),
    )


@cache
def assessment() -> Assessment:
    return assess(situation(), catalogue())


@cache
def page() -> str:
    return render_assessment(assessment(), DAY)


class Reader(HTMLParser):
    """Keeps what a page consists of, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_nothing_comes_from_elsewhere() -> None:
    found = read(page())
    assert not {"script", "link", "iframe", "img", "object", "form", "base"} & {tag for tag, _ in found.elements}
    for tag, attributes in found.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href", "action", "data"}:
                assert (value or "").startswith("#"), (tag, value)
    assert set(re.findall(r"https?://[^\s\"'<]+", page())) == {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert "@import" not in page()
    assert all(part.startswith("#") for part in re.findall(r"url\(([^)]*)\)", page()))


def test_the_browser_is_told_to_load_nothing() -> None:
    metas = [attributes for tag, attributes in read(page()).elements if tag == "meta"]
    policy = next(meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "style-src 'unsafe-inline'" in policy


def test_every_chart_is_there_with_its_title_and_no_id_twice() -> None:
    found = read(page())
    charted = [attributes for tag, attributes in found.elements if tag == "svg"]
    labels = [attributes["aria-labelledby"] for attributes in charted]
    assert labels == [
        "chart-cumulative", "chart-structure", "chart-volume", "chart-tornado-hybrid", "chart-tornado-self-host",
    ]  # fmt: skip
    assert all(attributes["role"] == "img" for attributes in charted)
    assert {attributes["id"] for tag, attributes in found.elements if tag == "title" and "id" in attributes} == set(
        labels
    )
    names = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(names) == len(set(names))


def test_charts_hold_their_words_as_text() -> None:
    drawn = {chart.name: chart.svg for chart in charts(assessment())}
    assert ">Hosted API</text>" in drawn["cumulative"]
    chosen = assessment().chosen
    marked = [found.volume.first for found in assessment().break_evens if chosen[found.strategy] == found.option]
    assert all(f">break-even {(volume or 0) / 1e6:,.0f}</text>" in drawn["volume"] for volume in marked)
    for line in assessment().bill("self-host").lines:
        assert f">{line.title}</text>" in drawn["structure"]
    for swing in assessment().tornados[1].swings:
        assert f">{swing.title}</text>" in drawn["tornado-self-host"]


def test_every_item_has_a_shade() -> None:
    assert len(SHADES) >= len(TITLES)


def test_numbers_stand_beside_the_charts() -> None:
    text = read(page()).text
    for bill in assessment().bills:
        assert f"{bill.total.typical:,.0f}" in text
        for line in bill.lines:
            assert line.title in text
            assert f"{line.typical:,.0f}" in text or abs(line.typical) < 1000
    for sentence in assessment().recommendation.because:
        assert sentence in text
    for gate in assessment().gates:
        assert gate.why in text
    for risk in assessment().risks:
        assert risk.title in text
    for step in assessment().first_days:
        assert step.title in text
    for source in assessment().sources:
        assert source.what in text
        assert source.value in text
    assert "2026-11-21" in text


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert render_assessment(assessment(), DAY) == page()


def test_names_from_a_file_of_prices_are_escaped() -> None:
    book = catalogue()
    api = msgspec.structs.replace(book.apis["big"], title=EVIL, source=EVIL, provider=EVIL)
    hosts = {EVIL: msgspec.structs.replace(book.hosts["node"], name=EVIL)}
    rent = msgspec.structs.replace(book.host_prices[0], host=EVIL)
    book = msgspec.structs.replace(
        book, apis={"big": api}, hosts=book.hosts | hosts, host_prices=(rent, *book.host_prices)
    )
    option = Hardware(host=EVIL, capacity="on-demand", region="north", tokens_per_s=RATE)
    evil = assess(msgspec.structs.replace(situation(), hardware=(option,)), book)
    html = render_assessment(evil, DAY)
    found = read(html)
    assert "script" not in {tag for tag, _ in found.elements}
    assert EVIL in found.text
    for chart in charts(evil):
        assert chart.name.startswith("tornado") or f"Self-hosted, {EVIL}" in read(chart.svg).text


@pytest.mark.parametrize("data", ["sensitive", "open"])
def test_a_page_without_gates_or_with_every_strategy_out_is_whole(data: str) -> None:
    changed = msgspec.structs.replace(situation(("JP",) if data == "sensitive" else ()), data=data)
    found = assess(changed, catalogue())
    text = read(render_assessment(found, DAY)).text
    if data == "sensitive":
        assert found.recommendation.advice == "none"
        assert "No strategy passes the hard conditions" in text
    else:
        assert found.gates == ()
