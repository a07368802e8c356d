"""What may go wrong with a decision, and what the costs leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planner.assess.figures import Strategy
from planner.assess.prices import Source
from planner.assess.report import Bill, Recommendation, Risk
from planner.assess.situation import Situation

NOT_COUNTED = (
    "Value-added tax and other taxes",
    "Changes of prices within the 24 months (see how far the result moves with them)",
    "What an outage costs the business, on either side",
    "Quality: what it costs when an open model answers worse, or gains when a tuned one answers better",
    "Data egress, support contracts and minimum commitments of cloud and API providers",
    "Legal work: data-processing agreements, impact assessments, certification",
    "Fees under a model's licence, where it asks for any",
    "Work on prompts and applications when the model changes",
    "Disposal of machines, and financing other than at the stated cost of capital",
)

LOW_UTILISATION = 0.15


def risks(
    situation: Situation, advice: Recommendation, headline: Mapping[Strategy, Bill], sources: Sequence[Source]
) -> tuple[Risk, ...]:
    """Return the risks of the advice, the most general last."""
    own: dict[str, Strategy] = {"hybrid": "hybrid", "self-host-first": "self-host"}
    found = list(_of_inputs(situation, advice, sources))
    if advice.advice in own:
        found += _of_own_capacity(situation, headline[own[advice.advice]])
    if advice.advice in {"api-first", "hybrid"}:
        found += _of_apis(situation)
    return tuple(found)


def _of_inputs(situation: Situation, advice: Recommendation, sources: Sequence[Source]) -> Iterator[Risk]:
    prices = [row for row in sources if row.kind == "price"]
    unverified = [row.what for row in prices if not row.verified]
    if unverified:
        yield Risk(
            title="Prices that are not from a primary source",
            why=f"{len(unverified)} of {len(prices)} prices are marked so: {', '.join(unverified[:3])}",
            answer="Get quotes, put them into a file, and run this again with --prices.",
        )
    if advice.close:
        yield Risk(
            title="A close call",
            why=f"the runner-up is within {0.5} of 10 points",
            answer="Look at the weights; measure before anything is bound.",
        )
    if abs(situation.demand.growth_per_month) > 0.1:
        yield Risk(
            title="Growth that is a guess",
            why=f"{situation.demand.growth_per_month:+.0%} a month is "
            f"{(1 + situation.demand.growth_per_month) ** 23:,.1f} times the demand in month 24",
            answer="Rent by the hour until three months of measured demand agree with it.",
        )


def _of_own_capacity(situation: Situation, bill: Bill) -> Iterator[Risk]:
    option = next(row for row in situation.hardware if row.name == bill.option)
    if bill.utilisation < LOW_UTILISATION:
        yield Risk(
            title="Idle machines",
            why=f"they are {bill.utilisation:.0%} busy on average, so most of the money buys waiting",
            answer="A smaller host, fewer hours a month, or the API until demand has grown.",
        )
    if option.spare_replicas == 0:
        yield Risk(
            title="No spare replica",
            why="a failure or a roll-over takes capacity away in the busiest hour",
            answer="Plan one spare replica, or a hosted fallback where the data allows it.",
        )
    if situation.team.skills != "experienced":
        yield Risk(
            title="A team that is new to this",
            why="drivers, engine upgrades and security fixes come monthly, failures at night",
            answer="Name two people and their deputies, rehearse the runbooks, count their time.",
        )
    yield from _of_capacity_kind(option.capacity)
    yield Risk(
        title="Models age",
        why="every three to six months a better open model appears, and may want other memory",
        answer="Keep the evaluation set of the first weeks, and run it at each refresh.",
    )


def _of_capacity_kind(capacity: str) -> Iterator[Risk]:
    if capacity == "capacity-block":
        yield Risk(
            title="Capacity Blocks end",
            why="after 182 days at most, paid ahead, with no cancellation; the next one is not promised",
            answer="Extend or book the next block weeks before the end; know what serves in between.",
        )
    elif capacity == "bought":
        yield Risk(
            title="Bound for years",
            why="demand, prices and GPUs change faster than machines lose their book value",
            answer="Buy only what the demand of the last three months would have filled.",
        )
    elif capacity == "on-demand":
        yield Risk(
            title="On-demand capacity may be sold out",
            why="large GPU hosts are scarce; a stopped one may not start again",
            answer="Reserve capacity for what must not fail, and check the quota first.",
        )


def _of_apis(situation: Situation) -> Iterator[Risk]:
    yield Risk(
        title="A provider changes model, price or terms",
        why="hosted models are retired on the provider's date",
        answer="Speak to models through one gateway, keep an evaluation set, have a second provider.",
    )
    if situation.data == "internal":
        yield Risk(
            title="Confidential data at a third party",
            why="retention, training and sub-processors are a matter of contract",
            answer="Settle zero retention and the place of processing before the first request.",
        )
