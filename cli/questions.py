"""The questions of `deploy assess`, one by one, each with a default; nothing is written before the last."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec
import typer

from planner.assess.situation import (
    ApiUse,
    Demand,
    Hardware,
    Hybrid,
    Latency,
    Record,
    Situation,
    Team,
    Throughput,
)
from planner.errors import UsageError


class Question(NamedTuple):
    """One question.

    Attributes:
        record: the table that the answer belongs to.
        field: its field there.
        text: what is asked.
        default: what Enter means; empty for "leave it out".

    """

    record: type[Record]
    field: str
    text: str
    default: str


GENERAL = (
    Question(Situation, "data", "How confidential is the data (open, internal, sensitive)", "internal"),
    Question(Situation, "currency", "Currency", "EUR"),
    Question(Situation, "residency", "Countries where data may be processed, as codes with commas; empty for any", ""),
    Question(Situation, "upfront_limit", "Most that may be paid for machines in the first month; empty for any", ""),
)
DEMAND = (
    Question(Demand, "users", "Users", "300"),
    Question(Demand, "workdays_per_month", "Workdays a month", "21"),
    Question(Demand, "tokens_in_per_day", "Prompt tokens of a user on a workday", "40000"),
    Question(Demand, "tokens_out_per_day", "Generated tokens of a user on a workday", "8000"),
    Question(Demand, "growth_per_month", "Growth per month (0.03 is 3 %)", "0.02"),
    Question(Demand, "peak_factor", "Busiest hour over the mean hour of the month", "5"),
    Question(Demand, "batch_share", "Part that may wait for hours (0 to 1)", "0"),
    Question(Demand, "cached_share", "Part of the prompts that repeats (0 to 1)", "0.2"),
)
LATENCY = (Question(Latency, "first_token_ms", "Time to the first token that users are promised, in ms", "2000"),)
TEAM = (Question(Team, "skills", "The team's experience with GPU hosts (none, some, experienced)", "some"),)
API = (Question(ApiUse, "model", "Hosted model in use: a price row of the catalogue", "frontier-high"),)
HYBRID = (
    Question(Hybrid, "local_share", "In a hybrid, part that own capacity tries first (0 to 1)", "0.7"),
    Question(Hybrid, "escalation_share", "Part of that which is asked again of the API (0 to 1)", "0.1"),
)
HARDWARE = (
    Question(Hardware, "host", "Host for own capacity", "p5en.48xlarge"),
    Question(Hardware, "capacity", "How it is had (on-demand, capacity-block, reserved, bought)", "on-demand"),
    Question(Hardware, "region", "Region; empty for bought ones", "eu-north-1"),
    Question(Hardware, "country", "Country where a bought one stands, as a code; empty for rented ones", ""),
    Question(Hardware, "profile", "Profile that runs there, whose speed is predicted; empty to give a speed", ""),
)
COPIES = (Question(Hardware, "replicas_per_host", "Copies of the model that it carries", "4"),)
THROUGHPUT = (
    Question(
        Throughput,
        "low",
        "Generated tokens/s of a copy, all streams together (`deploy cost` predicts it): at least",
        "1200",
    ),
    Question(Throughput, "typical", "... typically", "2200"),
    Question(Throughput, "high", "... at most", "3500"),
)


def ask_situation() -> Situation:
    """Ask everything on the terminal.

    Raises:
        UsageError: there is no terminal to ask on.
        typer.Abort: the person stops.

    """
    if not sys.stdin.isatty():
        raise UsageError(
            "which situation? --answers FILE is missing, and there is no terminal to ask on",
            hint="`deploy assess --example > answers.toml` makes a file to edit; then --answers answers.toml.",
            code="no_answers",
        )
    typer.echo("Enter takes what stands in brackets. Ctrl-C stops; nothing is kept before the end.", err=True)
    values: dict[str, Any] = {
        **_ask(GENERAL),
        "demand": _ask(DEMAND),
        "latency": _ask(LATENCY),
        "team": _ask(TEAM),
        "api": [_ask(API)],
        "hybrid": _ask(HYBRID),
        "hardware": [_hardware()],
    }
    while typer.confirm("Compare another way to have own capacity?", default=False, err=True):
        values["hardware"].append(_hardware())
    return msgspec.convert(values, Situation)


def offer_to_keep(situation: Situation) -> None:
    """Write the answers to a file, if the person names one; ask again where that cannot be."""
    from lifecycle.assess import write_answers

    while name := str(
        typer.prompt("Keep the answers in a file (empty for no)", default="", show_default=False, err=True)
    ):
        try:
            write_answers(situation, Path(name.strip()).expanduser())
        except (UsageError, OSError) as error:
            typer.echo(f"  {error}", err=True)
        else:
            return


def _hardware() -> dict[str, Any]:
    values = _ask(HARDWARE)
    return values if values.get("profile") else {**values, **_ask(COPIES), "tokens_per_s": _throughput()}


def _throughput() -> dict[str, Any]:
    """Ask for a range until it is one."""
    while True:
        values = _ask(THROUGHPUT)
        try:
            msgspec.convert(values, Throughput)
        except msgspec.ValidationError as error:
            typer.echo(f"  {error}", err=True)
        else:
            return values


def _ask(questions: tuple[Question, ...]) -> dict[str, Any]:
    answers = {question.field: _answer(question) for question in questions}
    return {field: value for field, value in answers.items() if value is not None}


def _answer(question: Question) -> Any:
    """Ask until the answer fits its field; None where it is left out."""
    kind = get_type_hints(question.record, include_extras=True)[question.field]
    while True:
        text = str(typer.prompt(question.text, default=question.default, show_default=bool(question.default), err=True))
        text = text.strip()
        if not text:
            return None
        value = [part.strip().upper() for part in text.split(",")] if question.field == "residency" else text
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            typer.echo(f"  {str(error)[:1].lower()}{str(error)[1:]}", err=True)
