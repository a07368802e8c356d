"""Where in a TOML text a field stands, so that an error can name its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Return the line (from 1) where the field of that path is set, or its nearest enclosing table.

    Args:
        text: a TOML document that parses.
        path: keys from the root, for example `["hardware", "count"]`; an element of an array of tables by its number,
            from 0: `["hardware", "1", "count"]`.

    """
    import tree_sitter_toml  # noqa: PLC0415 - a native parser: loaded only when there is an error to place
    from tree_sitter import Language, Parser  # noqa: PLC0415 - as the line above

    parser = Parser(Language(tree_sitter_toml.language()))
    places = dict(_places(parser.parse(text.encode()).root_node, ()))
    wanted = tuple(path)
    while wanted:
        if wanted in places:
            return places[wanted]
        wanted = wanted[:-1]
    return None


def _places(node: Node, prefix: tuple[str, ...]) -> list[tuple[tuple[str, ...], int]]:
    """List (path, line) of every table and key below a node, in order of appearance."""
    found: list[tuple[tuple[str, ...], int]] = []
    elements: Counter[tuple[str, ...]] = Counter()
    for child in node.named_children:
        if child.type in {"table", "table_array_element", "pair"}:
            keys = _keys(child.named_children[0])
            if child.type == "table_array_element":
                elements[keys] += 1
                keys = (*keys, str(elements[keys] - 1))
            found.append(((*prefix, *keys), child.start_point.row + 1))
            found += _places(child, (*prefix, *keys))
        elif child.type == "inline_table":
            found += _places(child, prefix)
    return found


def _keys(node: Node) -> tuple[str, ...]:
    """Return the parts of a bare, quoted or dotted key."""
    if node.type == "dotted_key":
        return tuple(key for child in node.named_children for key in _keys(child))
    text = node.text.decode() if node.text is not None else ""
    return (text.strip("\"'"),)
