"""Durations as people write them: `45s`, `1h30m`, `7d`."""

from __future__ import annotations

import re

from planner.errors import UsageError

_PARTS = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")
_SECONDS = (86400, 3600, 60, 1)


def parse_duration(text: str) -> int:
    """Return the seconds of a duration: days, hours, minutes and seconds, in this order, each at most once.

    A number without a unit is refused, because half of those who write it mean minutes.

    Raises:
        UsageError: it is no duration, or one of no length.

    """
    match = _PARTS.fullmatch(text)
    seconds = (
        sum(int(number or 0) * unit for number, unit in zip(match.groups(), _SECONDS, strict=True)) if match else 0
    )
    if seconds == 0:
        raise UsageError(f"{text!r} is no duration", hint="Write it like 45s, 30m, 1h30m or 7d.", code="bad_duration")
    return seconds


def format_duration(seconds: int) -> str:
    """Return seconds as a duration that `parse_duration` reads back: `1h30m`."""
    parts = []
    for letter, unit in zip("dhms", _SECONDS, strict=True):
        count, seconds = divmod(seconds, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
