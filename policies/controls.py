"""Controls of published benchmarks that rules serve: by number, and never one that the benchmark does not have."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("benchmarks.toml")


class Benchmark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published list of controls, at one version of it.

    Attributes:
        title: as published.
        version: which edition the numbers belong to.
        url: where it is to be had.
        checked_against: what numbers and titles were last compared with, and what could not be compared.
        checked_on: the day of that.
        titles: how they are worded: as published, or shortened.
        controls: number -> title, of those that rules name.

    """

    title: str
    version: str
    url: str
    checked_against: str
    checked_on: date
    titles: str
    controls: dict[str, str]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One control, whole: what a reviewer looks up."""

    benchmark: str
    version: str
    number: str
    title: str
    url: str


@cache
def benchmarks() -> dict[str, Benchmark]:
    """Return every benchmark by its short name.

    Raises:
        msgspec.ValidationError: the table does not fit.

    """
    return msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), dict[str, Benchmark])


def control(reference: str) -> Control:
    """Return the control that a rule names, for example `nist SC-7`.

    Raises:
        KeyError: the table has no such benchmark or number.

    """
    name, _, number = reference.partition(" ")
    benchmark = benchmarks()[name]
    return Control(
        benchmark=benchmark.title,
        version=benchmark.version,
        number=number,
        title=benchmark.controls[number],
        url=benchmark.url,
    )
