"""The criteria of the advice: weights and scores as data."""

from __future__ import annotations

import datetime as dt
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from planner.assess.figures import Strategy
from planner.assess.situation import Hardware, Share, Situation

FILE = Path(__file__).with_name("criteria.toml")
TIGHT_FIRST_TOKEN_MS = 800
"""From here down, a promised time to the first token leaves little room for a network and a shared queue."""

STRATEGIES: tuple[Strategy, ...] = ("api", "hybrid", "self-host")


class Criterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that counts.

    Attributes:
        title: what it is called.
        weight: part of the whole, before all are scaled to a sum of 1.
        why: why it counts, or how it is computed.
        scores: situation -> strategy -> 0 to 10; empty for what is computed.

    """

    title: str
    weight: Share
    why: str
    scores: dict[str, dict[Strategy, float]] = {}


class Criteria(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them, with the date of the judgement."""

    as_of: dt.date
    cost: Criterion
    control: Criterion
    operations: Criterion
    flexibility: Criterion
    quality: Criterion
    latency: Criterion


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion with its part of the whole and every strategy's score."""

    name: str
    title: str
    weight: float
    why: str
    scores: dict[Strategy, float]


@cache
def load_criteria() -> Criteria:
    """Read the shipped criteria.

    Raises:
        msgspec.ValidationError: the file does not fit the schema.

    """
    return msgspec.convert(tomllib.loads(FILE.read_text(encoding="utf-8")), Criteria)


def score(situation: Situation, option: Hardware, totals: dict[Strategy, float]) -> tuple[Scored, ...]:
    """Return every criterion with its scores.

    Args:
        situation: the answers.
        option: the own capacity that hybrid and self-hosting are judged with.
        totals: each strategy's cost over all months.

    """
    criteria = load_criteria()
    key = {
        "control": situation.data,
        "operations": situation.team.skills,
        "flexibility": option.capacity,
        "quality": "any",
        "latency": "tight" if situation.latency.first_token_ms <= TIGHT_FIRST_TOKEN_MS else "usual",
    }
    cheapest = min(totals.values())
    by_cost = {strategy: 10 * cheapest / amount if amount else 10.0 for strategy, amount in totals.items()}
    weights = _weights(situation, criteria)
    return tuple(
        Scored(
            name=name,
            title=criterion.title,
            weight=weights[name],
            why=criterion.why,
            scores=by_cost if name == "cost" else criterion.scores[key[name]],
        )
        for name, criterion in _named(criteria)
    )


def weighted(scored: tuple[Scored, ...]) -> dict[Strategy, float]:
    """Return each strategy's weighted score, from 0 to 10."""
    return {strategy: sum(row.weight * row.scores[strategy] for row in scored) for strategy in STRATEGIES}


def _named(criteria: Criteria) -> list[tuple[str, Criterion]]:
    return [(name, value) for name, value in msgspec.structs.asdict(criteria).items() if isinstance(value, Criterion)]


def _weights(situation: Situation, criteria: Criteria) -> dict[str, float]:
    """Return the weights, the given ones in the place of the shipped ones, scaled to a sum of 1."""
    given = msgspec.structs.asdict(situation.weights)
    chosen = {name: value.weight if given[name] is None else given[name] for name, value in _named(criteria)}
    whole = sum(chosen.values())
    return {name: weight / whole for name, weight in chosen.items()}
