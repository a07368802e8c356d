"""Quantities as people write them: memory with its unit, counts with `k` and `M`."""

from __future__ import annotations

import re

from planner.errors import UsageError

GIB = 2**30
MEMORY_UNITS = {
    "": GIB, "gib": GIB, "gi": GIB, "gb": 10**9, "g": GIB, "mib": 2**20, "mi": 2**20, "mb": 10**6, "m": 2**20,
    "tib": 2**40, "tb": 10**12,
}  # fmt: skip
"""Bytes; a bare number is GiB, as in vLLM's logs. `GB` is decimal: 16GB are 14.9 GiB."""
COUNT_UNITS = {"": 1, "k": 1_000, "K": 1_024, "m": 1_000_000, "M": 1_000_000, "b": 10**9, "B": 10**9}
"""`k` is decimal and `K` binary, as vLLM 0.33.0 reads `--max-model-len 32k` and `32K`."""
NUMBER = re.compile(r"^\s*([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z]*)\s*$")


def parse_memory(text: str, option: str) -> float:
    """Read an amount of memory, in GiB.

    Raises:
        UsageError: it is no positive amount.

    """
    value, unit = _split(text, option, "16GiB or 16GB")
    if unit.lower() not in MEMORY_UNITS:
        raise UsageError(f"{option}: {text!r} has the unknown unit {unit!r}", hint="Write 16GiB, 16GB or 16000MiB.")
    return value * MEMORY_UNITS[unit.lower()] / GIB


def parse_count(text: str, option: str) -> int:
    """Read a whole number, for example of tokens: 32768, 32k (32,000), 32K (32,768), 1.5M.

    Raises:
        UsageError: it is no positive whole number.

    """
    value, unit = _split(text, option, "32768, 32k or 32K")
    if unit not in COUNT_UNITS:
        hint = "This counts tokens, not bytes." if unit.lower() in MEMORY_UNITS else "Write 32768, 32k, 32K or 1.5M."
        raise UsageError(f"{option}: {text!r} has the unknown unit {unit!r}", hint=hint)
    number = value * COUNT_UNITS[unit]
    if number != int(number):
        raise UsageError(f"{option}: {text!r} is no whole number", hint="Write 32768, 32k, 32K or 1.5M.")
    return int(number)


def _split(text: str, option: str, example: str) -> tuple[float, str]:
    match = NUMBER.match(text)
    if match is None:
        raise UsageError(f"{option}: {text!r} is no positive quantity", hint=f"Write it as {example}.")
    value = float(match[1].replace(",", "."))
    if value <= 0:
        raise UsageError(f"{option}: {text!r} is not greater than zero", hint=f"Write it as {example}.")
    return value, match[2]
