"""Hard conditions first, then weights: which strategy, and the numbers that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.assess.criteria import STRATEGIES, Scored, load_criteria, score, weighted
from planner.assess.figures import MONTHS, Strategy
from planner.assess.report import Advice, Bill, BreakEven, Recommendation
from planner.assess.situation import Situation

CLOSE = 0.5
"""Weighted scores (0 to 10) nearer than this are called close."""

ADVICE: dict[Strategy, Advice] = {"api": "api-first", "hybrid": "hybrid", "self-host": "self-host-first"}
TITLES: dict[Strategy, str] = {"api": "hosted API", "hybrid": "hybrid", "self-host": "self-hosting"}


def recommend(
    situation: Situation, headline: Mapping[Strategy, Bill], break_evens: Sequence[BreakEven]
) -> Recommendation:
    """Return the advice.

    Args:
        situation: the answers.
        headline: the bill that stands for each strategy.
        break_evens: of every way to have own capacity.

    """
    option = next(row for row in situation.hardware if row.name == headline["self-host"].option)
    criteria = score(situation, option, {strategy: bill.total.typical for strategy, bill in headline.items()})
    scores = weighted(criteria)
    allowed = sorted((s for s in STRATEGIES if headline[s].allowed), key=lambda s: -scores[s])
    best = allowed[0] if allowed else None
    because = _numbers(situation, headline, break_evens)
    if best is None:
        because = ("every strategy is ruled out: see the hard conditions", *because)
    else:
        because = (_verdict(best, allowed, scores), *_dearer(best, allowed, headline, criteria, situation), *because)
    return Recommendation(
        advice=ADVICE[best] if best else "none",
        option=headline[best].option if best else "",
        because=because,
        scores=scores,
        criteria=criteria,
        criteria_as_of=load_criteria().as_of,
        close=len(allowed) > 1 and scores[allowed[0]] - scores[allowed[1]] < CLOSE,
    )


def _verdict(best: Strategy, allowed: Sequence[Strategy], scores: Mapping[Strategy, float]) -> str:
    if len(allowed) == 1:
        return f"{TITLES[best]} is the only strategy that passes the hard conditions"
    second = allowed[1]
    return (
        f"{TITLES[best]} scores {scores[best]:.1f} of 10 with the weights below, {TITLES[second]} {scores[second]:.1f}"
    )


def _dearer(
    best: Strategy,
    allowed: Sequence[Strategy],
    headline: Mapping[Strategy, Bill],
    criteria: Sequence[Scored],
    situation: Situation,
) -> tuple[str, ...]:
    """Say what the advice costs over the cheapest strategy that is allowed, and what outweighs that."""
    cheapest = min(allowed, key=lambda strategy: headline[strategy].total.typical)
    if cheapest == best:
        return ()
    premium = headline[best].total.typical - headline[cheapest].total.typical
    reason = max(criteria, key=lambda row: row.weight * (row.scores[best] - row.scores[cheapest]))
    gap = f"{premium:,.0f} {situation.currency}"
    return (f"it is not the cheapest: {TITLES[cheapest]} costs {gap} less; what outweighs that most: {reason.title}",)


def _numbers(
    situation: Situation, headline: Mapping[Strategy, Bill], break_evens: Sequence[BreakEven]
) -> tuple[str, ...]:
    """Return the cost of each strategy, and where own capacity begins to pay."""
    api, currency = headline["api"].total.typical, situation.currency
    told = [f"{MONTHS} months of hosted API: {api:,.0f} {currency}"]
    for strategy in ("hybrid", "self-host"):
        bill = headline[strategy]
        gap = bill.total.typical - api
        side = f"{abs(gap):,.0f} {'more' if gap > 0 else 'less'} than the API"
        busy = f"machines {bill.utilisation:.0%} busy on average"
        told.append(
            f"{MONTHS} months of {TITLES[strategy]} on {bill.option}: {bill.total.typical:,.0f} {currency} "
            f"({bill.total.low:,.0f} to {bill.total.high:,.0f}), {side}; {busy}"
        )
        found = next(row for row in break_evens if (row.strategy, row.option) == (strategy, bill.option))
        told.append(f"{TITLES[strategy]} breaks even {volume_words(found)}, {month_words(found)}")
    return tuple(told)


def volume_words(found: BreakEven) -> str:
    """Say at which volume a strategy costs the same as the API."""
    if found.volume.first is None:
        return f"at no volume up to {found.volume.searched_to:,.0f} tokens a month"
    return f"at {found.volume.first / 1e6:,.0f} million tokens a month"


def month_words(found: BreakEven) -> str:
    """Say in which month what was paid comes below the API's."""
    if found.month is None:
        return f"never within {MONTHS} months"
    return f"in month {found.month}" + (", by what the machines are then worth" if found.by_residual else "")
