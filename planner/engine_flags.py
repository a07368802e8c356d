"""The options that `vllm serve` knows, and whether a command line keeps to them."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from planner.errors import PlanError

VERSION = "0.33.0"
"""Of vLLM, whose options the table lists."""
TABLE = Path(__file__).parent / "catalogue" / f"vllm-{VERSION}-flags.tsv"

Takes = Literal["nothing", "value", "values", "optional"]
Kind = Literal["-", "int", "float", "text", "size", "length", "json"]

SIZE = r"\d+|\d+(\.\d+)?[kmgt]|\d+[KMGT]"
"""A whole number, or one with a decimal (k, m, g, t) or binary (K, M, G, T) multiplier."""
SPELLINGS = {
    "int": re.compile(r"[+-]?\d+"),
    "float": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    "size": re.compile(SIZE),
    "length": re.compile(rf"{SIZE}|-1|auto"),
}
"""What a number looks like to vLLM's parser."""
NUMBER = re.compile(r"-\d+|-\d*\.\d+")
"""What argparse takes for a negative number and not for an option."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """One option.

    Attributes:
        flag: its long name.
        aliases: its other spellings, the opposites of a switch among them.
        takes: how many values follow.
        kind: what a value looks like.
        choices: the only values allowed; empty for any.

    """

    flag: str
    aliases: tuple[str, ...]
    takes: Takes
    kind: Kind
    choices: tuple[str, ...]


@cache
def flags() -> dict[str, Flag]:
    """Return every spelling of every option."""
    lines = (line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    table: dict[str, Flag] = {}
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        words = {key: tuple(row[key].split()) if row[key] != "-" else () for key in ("aliases", "choices")}
        flag = msgspec.convert({**row, **words}, Flag)
        table |= dict.fromkeys((flag.flag, *flag.aliases), flag)
    return table


def check_arguments(args: Sequence[str]) -> None:
    """Refuse a command line that `vllm serve` would refuse; `args` is what follows `vllm serve`.

    Stricter than vLLM in two points: an abbreviated option is refused, because the next version's options can make it
    ambiguous, and so is `None` for a number, which says no more than leaving the option out. Whether JSON parses, and
    whether the options agree with each other, only vLLM knows.

    Raises:
        PlanError: an option is unknown or abbreviated, lacks its value, or has one that is not allowed; or a word
            belongs to no option.

    """
    words = list(args)
    if words and not _is_option(words[0]):
        words.pop(0)  # the model
    while words:
        name, glued = _split(words.pop(0))
        if not _is_option(name):
            raise PlanError(
                f"`{name}` belongs to no option of `vllm serve`",
                hint="The model comes first; every other word follows its option.",
                code="stray_argument",
            )
        flag = _find(name)
        _check_values(name, flag, glued if glued is not None else _take(words, flag))


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not NUMBER.fullmatch(word)


def _split(word: str) -> tuple[str, list[str] | None]:
    """Part `--name=value`; None where no value is glued to the name. `-O3` is short for an option of its own."""
    if re.fullmatch(r"-O\d", word):
        return "--optimization-level", [word[2:]]
    name, equals, value = word.partition("=")
    if name.startswith("--"):
        head, dot, rest = name.partition(".")
        name = head.replace("_", "-") + dot + rest
    return name, [value] if equals else None


def _find(name: str) -> Flag:
    """Return the option of that spelling; `--flag.key` is one key of an option that takes JSON."""
    table = flags()
    stem, dot, _ = name.partition(".")
    flag = table.get(stem)
    if flag is not None and (not dot or flag.kind == "json"):
        return flag
    near = difflib.get_close_matches(stem, table, n=3, cutoff=0.6)
    known = f"Nearest names: {', '.join(near)}." if near else "No name is near it; leave it out."
    raise PlanError(
        f"vLLM {VERSION} has no option `{name}`, and would refuse to start", hint=known, code="unknown_engine_flag"
    )


def _take(words: list[str], flag: Flag) -> list[str]:
    """Take from `words` the values that belong to the option, as argparse does."""
    most = {"nothing": 0, "value": 1, "optional": 1, "values": len(words)}[flag.takes]
    count = next((i for i, word in enumerate(words[:most]) if _is_option(word)), min(most, len(words)))
    values, words[:count] = words[:count], []
    return values


def _check_values(name: str, flag: Flag, values: list[str]) -> None:
    if flag.takes == "nothing" and values:
        raise PlanError(f"`{name}` takes no value", hint=f"Write `{name}` alone.", code="engine_flag_value")
    if flag.takes in {"value", "values"} and not values:
        raise PlanError(f"`{name}` lacks its value", hint=_expected(flag), code="engine_flag_value")
    whole = "." not in name  # one key of a JSON object may have any value
    for value in values if whole else ():
        pattern = SPELLINGS.get(flag.kind)
        if (pattern and not pattern.fullmatch(value)) or (flag.choices and value not in flag.choices):
            raise PlanError(f"`{name}` does not take `{value}`", hint=_expected(flag), code="engine_flag_value")


def _expected(flag: Flag) -> str:
    if flag.choices:
        return f"Allowed: {', '.join(flag.choices)}."
    kinds = {
        "int": "a whole number",
        "float": "a number",
        "size": "a whole number, or one such as 32k or 32K",
        "length": "a whole number, one such as 32k or 32K, or auto",
        "json": "JSON",
    }
    return f"It takes {kinds.get(flag.kind, 'a value')}."
