#!/usr/bin/env python3
"""Write the table of `vllm serve`'s options from the parser that an installed vLLM builds.

Run it with the interpreter of that vLLM, on a machine with an NVIDIA GPU (some choices depend on the platform):

    python tools/vllm_flags.py > planner/catalogue/vllm-VERSION-flags.tsv
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

HEADER = """\
# Options of `vllm serve`, vLLM {version}.
#
# Made by tools/vllm_flags.py. A table of facts, read on {today} from the parser that version {version} itself builds
# (vllm/entrypoints/common/cli_args.py, vllm/engine/arg_utils.py, the classes of vllm/config), for the CUDA platform.
# Columns, separated by tabs; `-` stands for none:
#   flag     the long name. Underscores may stand for dashes.
#   aliases  other spellings, separated by spaces. A switch also lists its opposites: vLLM makes `--no-x` for every
#            switch, and `--disable-x` for each `--enable-x` and the other way round.
#   takes    nothing | value | values (one or more) | optional (a value or none)
#   kind     of the value: int | float | text | size (32768, 32k, 32K) | length (the same, or auto) |
#            json (its keys may follow: `--flag.key value`)
#   choices  the only values allowed, separated by spaces. `--kv-cache-dtype` is refused by its configuration class
#            and not by the parser; the rest by the parser.
flag\taliases\ttakes\tkind\tchoices"""

KINDS = {
    "int": "int",
    "float": "float",
    "loads": "json",
    "parse_dataclass": "json",
    "union_dict_and_str": "json",
    "human_readable_int": "size",
    "human_readable_int_or_auto": "length",
}
"""Name of the function that reads a value -> what it reads; text where it has another name."""


def main() -> None:
    """Print the table."""
    sys.argv = ["vllm", "serve"]  # vLLM looks here for what it is asked
    parser = import_module("vllm.utils.argparse_utils").FlexibleArgumentParser(prog="vllm serve")
    import_module("vllm.entrypoints.common.cli_args").make_arg_parser(parser)
    actions: list[argparse.Action] = parser._actions  # noqa: SLF001 - argparse lists them nowhere else
    rows = [row(parser, action) for action in actions if action.option_strings and action.dest != "help"]
    version = import_module("vllm.version").__version__
    header = HEADER.format(version=version, today=dt.datetime.now(dt.UTC).date())
    sys.stdout.write("\n".join((header, *sorted("\t".join(cells) for cells in rows), "")))


def row(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[str, ...]:
    """Describe one option; the parser knows more spellings of it than the option itself shows."""
    known = parser._option_string_actions  # noqa: SLF001 - nor these
    spellings = [name for name, owner in known.items() if owner is action]
    flag = next(name for name in action.option_strings if name.startswith("--"))
    aliases = [name for name in spellings if name != flag]
    allowed = action.metavar if action.dest == "kv_cache_dtype" else action.choices
    takes = {0: "nothing", None: "value", "+": "values", "?": "optional"}[action.nargs]
    kind = "-" if takes == "nothing" else KINDS.get(reader(action.type), "text")
    return flag, " ".join(aliases) or "-", takes, kind, " ".join(map(str, allowed or ())) or "-"


def reader(function: Callable[[str], Any] | argparse.FileType | str | None) -> str:
    """Return the name of what reads a value, inside of what lets it be absent or words its errors."""
    while getattr(function, "__name__", "") in {"_optional_type", "_parse_type"}:
        cells = getattr(function, "__closure__", None) or ()
        function = next(cell.cell_contents for cell in cells if callable(cell.cell_contents))
    return getattr(function, "__name__", "")


if __name__ == "__main__":
    main()
