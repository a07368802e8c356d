"""TOML text -> Situation, with errors that name the file, the line and the field, and explain slips of the unit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from planner.assess.figures import MONTHS, first_month
from planner.assess.situation import MAX_TOKENS_PER_MONTH, Demand, Situation
from planner.errors import UsageError
from planner.toml_faults import fault_of
from planner.toml_lines import line_of

HINT = "`deploy assess --example` prints a whole file with the meaning of every field. Nothing was changed."

SLIPS = (
    ("share", "a share lies between 0 and 1: write 0.3 for 30 %"),
    ("growth_per_month", "growth is a part per month between -0.5 and 0.5: write 0.03 for 3 %"),
    ("per_month", f"tokens a month, as a number from 1 to {MAX_TOKENS_PER_MONTH:.0e}: 50 million is 50e6"),
    ("per_day", "tokens of one user on one day, as a number from 1 on: 40 thousand is 40e3"),
    ("_ms", "a time in milliseconds: write 1500 for 1.5 s"),
    ("local_share", "a share lies between 0 and 1: write 0.7 for 70 %"),
)
"""Part of a field's name -> what its unit is; the first that matches is told."""


def parse_situation(text: str, origin: str) -> Situation:
    """Read the answers.

    Args:
        text: TOML.
        origin: the file, as errors shall name it.

    Raises:
        UsageError: broken TOML, an unknown or missing field, a value out of range, or answers that contradict.

    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin}: not TOML: {error}", hint=HINT, code="answers_invalid") from None
    try:
        situation = msgspec.convert(values, Situation)
    except msgspec.ValidationError as error:
        path, what = fault_of(error, Situation)
        raise _error(text, origin, path, what + _slip(path, what, values)) from None
    check(situation, text, origin)
    return situation


def check(situation: Situation, text: str = "", origin: str = "the answers") -> None:
    """Refuse answers that are each in range, and contradict one another.

    Raises:
        UsageError: they do; the message names the field.

    """
    for path, what in _contradictions(situation):
        raise _error(text, origin, path, what)


def _contradictions(situation: Situation) -> Iterator[tuple[tuple[str, ...], str]]:
    yield from _of_demand(situation.demand)
    shares = sum(use.share for use in situation.api)
    if abs(shares - 1) > 1e-6:
        yield ("api", "0"), f"the shares of the hosted models add up to {shares:g}, not to 1"
    names = [option.name for option in situation.hardware]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        yield ("hardware",), f"two options are called {doubled!r}; leave one out"
    if all(weight == 0 for weight in msgspec.structs.astuple(situation.weights)):
        yield ("weights",), "every weight is 0, so nothing would count"


def _of_demand(demand: Demand) -> Iterator[tuple[tuple[str, ...], str]]:
    monthly = (demand.tokens_in_per_month, demand.tokens_out_per_month)
    daily = (demand.users, demand.tokens_in_per_day, demand.tokens_out_per_day)
    if any(monthly) and any(daily):
        yield ("demand",), "give tokens per month, or users and tokens per day; both are here"
        return
    if not (all(monthly) or all(daily)):
        need = "tokens_in_per_month and tokens_out_per_month, or users, tokens_in_per_day and tokens_out_per_day"
        yield ("demand",), f"demand is incomplete; it takes {need}"
        return
    last = max(first_month(demand)) * max(1, (1 + demand.growth_per_month) ** (MONTHS - 1))
    if last > MAX_TOKENS_PER_MONTH:
        what = f"demand reaches {last:.1e} tokens a month, beyond {MAX_TOKENS_PER_MONTH:.0e}: is a unit wrong?"
        yield ("demand",), what


def _slip(path: Sequence[str], what: str, values: dict[str, Any]) -> str:
    """Return what a field's unit is, where the value is out of range or no number."""
    if not path or not what.startswith("expected"):
        return ""
    told = next((unit for part, unit in SLIPS if part in path[-1]), "")
    if not told:
        return ""
    here: Any = values
    for key in path:
        here = here[int(key)] if isinstance(here, list) else here.get(key)
    return f"; got {here!r}: {told}"


def _error(text: str, origin: str, path: Sequence[str], what: str) -> UsageError:
    line = line_of(text, path) if text else None
    place = f"{origin}:{line}" if line is not None else origin
    keys = [part for part in path if not part.isdigit()]
    return UsageError(f"{place}: `{'.'.join(keys) or '(answers)'}`: {what}", hint=HINT, code="answers_invalid")
