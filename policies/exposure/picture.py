"""The proof as a picture: sources on the left, what guards each of them, and the ports on the right.

networkx places the boxes; this draws them as SVG, with no script, no font and nothing from elsewhere. What is open is
a full line, what is closed a dashed one, so that the picture can be read without its colours. Paths that differ in the
machine alone are one: with hundreds of nodes it is as large as with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from xml.etree import ElementTree as ET

import networkx as nx

from policies.exposure.exposure import Exposure, Path

COLUMN, ROW, MARGIN, BOX, HEIGHT = 208, 40, 16, 176, 26
"""Distances between columns and rows, the margin, and a box's width and height, in units of the picture."""
FAN = 150
"""What the sinks stand further to the right: there the lines part."""
WIDEST = 27
"""Characters that fit into a box; the whole text is its title."""
ORDER = ("internet", "unnamed", "neighbour", "named", "iam", "host")
COLOURS = {"open": "#8a5a00", "expected": "#1b6e34", "closed": "#777777", "breach": "#a01020"}
WORDS = {
    "listener": "listener",
    "group": "security group",
    "address": "public address",
    "route": "route",
    "gateway": "gateway",
    "acl": "network ACL",
    "iam": "IAM",
}
State = Literal["open", "expected", "closed", "breach"]
STATES: Mapping[str, State] = {"internet": "breach", "unnamed": "breach", "neighbour": "open", "iam": "open"}
"""What an open path is, by its source; those of the named networks and of the machine itself are meant to be."""

_Way = tuple[str, str, tuple[tuple[str, bool], ...], str]
"""Kind, source, (guard, open) in order, sink."""


def picture(exposure: Exposure) -> str:
    """Return the picture as SVG; the same proof gives the same bytes."""
    graph, columns = _graph(exposure)
    places = _places(graph, columns) if graph else {}
    width = max((x for x, _ in places.values()), default=0) + BOX + 2 * MARGIN
    height = max((y for _, y in places.values()), default=0) + HEIGHT + 2 * MARGIN
    box = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **box, "role": "img", "font-family": "sans-serif"})
    ET.SubElement(root, "title").text = f"Who can reach {exposure.stack}: full lines are open, dashed ones closed"
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    for start, end, line in graph.edges(data=True):
        _line(root, places[start], places[end], line)
    for name, node in graph.nodes(data=True):
        _box(root, places[name], node)
    return ET.tostring(root, encoding="unicode")


def _graph(exposure: Exposure) -> tuple[nx.DiGraph, dict[int, list[Any]]]:
    """Return boxes with their columns: source, guards in the order in which they are met, sinks.

    Each source has a row to itself: where it meets nothing more, its line goes on through places without a box.
    """
    ways = tuple(dict.fromkeys(map(_way, exposure.paths)))
    sources = sorted({way[:2] for way in ways}, key=lambda one: (ORDER.index(one[0]), one[1]))
    guards = {source: _guards(way for way in ways if way[:2] == source) for source in sources}
    last = max(map(len, guards.values()), default=0) + 1
    graph = nx.DiGraph()
    columns: dict[int, list[Any]] = {column: [] for column in range(last + 1)}

    def put(box: Any, column: int, text: str, state: str = "plain") -> Any:
        graph.add_node(box, text=text, state=state)
        columns[column].append(box)
        return box

    sinks = {sink: put(("sink", sink), last, sink) for sink in dict.fromkeys(way[3] for way in ways)}
    for source in sources:
        before = put(("source", source), 0, source[1])
        met = [*guards[source].items(), *((None, "") for _ in range(last))]
        for column, (guard, said) in zip(range(1, last), met, strict=False):
            text = f"{WORDS.get(guard, guard)}: {said}" if guard else ""
            box = put(("guard", source, column), column, text, said)
            graph.add_edge(before, box, state="plain", why="")
            before = box
        for way in ways:
            if way[:2] == source:
                graph.add_edge(before, sinks[way[3]], state=_state(way), why=_missing(way))
    return graph, columns


def _way(path: Path) -> _Way:
    source = "programs on the machine itself" if path.kind == "host" else path.source
    steps = tuple((edge.guard, edge.open) for edge in path.edges)
    return path.kind, source, steps, f"{path.port} of {_family(path.target)}"


def _family(name: str) -> str:
    """Return a machine's name without its number: `node-0` and `node-1` are alike."""
    head, _, tail = name.rpartition("-")
    return f"{head}s" if head and tail.isdigit() else name


def _guards(ways: Iterable[_Way]) -> dict[str, str]:
    """Return what a source meets, in order, and what it does with its paths."""
    found: dict[str, set[bool]] = {}
    for _, _, steps, _ in ways:
        for guard, is_open in steps:
            found.setdefault(guard, set()).add(is_open)
    return {
        guard: "some open" if len(answers) > 1 else "open" if True in answers else "closed"
        for guard, answers in found.items()
    }


def _state(way: _Way) -> State:
    if not all(is_open for _, is_open in way[2]):
        return "closed"
    return STATES.get(way[0], "expected")


def _missing(way: _Way) -> str:
    closed = [WORDS.get(guard, guard) for guard, is_open in way[2] if not is_open]
    return f"closed by: {', '.join(closed)}" if closed else "open"


def _places(graph: nx.DiGraph, columns: Mapping[int, list[Any]]) -> dict[Any, tuple[int, int]]:
    """Return where each box stands, by its upper left corner."""
    laid = nx.multipartite_layout(graph, subset_key=columns)
    left, top = min(x for x, _ in laid.values()), min(y for _, y in laid.values())
    tallest = max(map(len, columns.values()))
    across = (max(x for x, _ in laid.values()) - left) / max(1, len(columns) - 1) or 1.0
    down = (max(y for _, y in laid.values()) - top) / max(1, tallest - 1) or 1.0
    fan = dict.fromkeys(columns[len(columns) - 1], FAN)
    return {
        box: (MARGIN + fan.get(box, 0) + round((x - left) / across * COLUMN), MARGIN + round((y - top) / down * ROW))
        for box, (x, y) in laid.items()
    }


def _line(root: ET.Element, start: tuple[int, int], end: tuple[int, int], line: Mapping[str, str]) -> None:
    x1, y1, x2, y2 = start[0] + BOX, start[1] + HEIGHT // 2, end[0], end[1] + HEIGHT // 2
    middle = (x1 + x2) // 2
    style = {"fill": "none", "stroke": COLOURS.get(line["state"], "#444444"), "stroke-width": "1.5"}
    if line["state"] == "closed":
        style |= {"stroke-dasharray": "4 4", "stroke-width": "1"}
    drawn = ET.SubElement(root, "path", {"d": f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}", **style})
    if line["why"]:
        ET.SubElement(drawn, "title").text = line["why"]


def _box(root: ET.Element, place: tuple[int, int], node: Mapping[str, str]) -> None:
    x, y = place
    if not node["text"]:
        line = {"d": f"M{x} {y + HEIGHT // 2}h{BOX}", "stroke": "#444444", "stroke-width": "1.5"}
        ET.SubElement(root, "path", line)
        return
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "title").text = node["text"]
    shape = {"x": str(x), "y": str(y), "width": str(BOX), "height": str(HEIGHT), "rx": "4", "fill": "#f6f6f6"}
    ET.SubElement(group, "rect", {**shape, "stroke": COLOURS.get(node["state"], "#444444")})
    text = node["text"] if len(node["text"]) <= WIDEST else node["text"][: WIDEST - 1] + "\u2026"
    label = {"x": str(x + 8), "y": str(y + 17), "font-size": "11", "fill": "#1a1a1a"}
    ET.SubElement(group, "text", label).text = text
