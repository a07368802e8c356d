"""What a stack will have cost at most: what a person agrees to before anything is made."""

from __future__ import annotations

import msgspec

from planner.assess.figures import HOURS_PER_MONTH
from planner.errors import DeployError
from planner.plan import CostPlan


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a stack costs from now on. None where no price of its machines is known.

    Attributes:
        usd_per_hour: of the machines.
        usd_per_day: of the machines.
        beside_usd_per_hour: of what it has beside them, as far as prices are known; traffic comes on top.
        hours: how long they run: until the deadline, or for a month where there is none.
        ends: something stops them after `hours`; otherwise a person must.
        worst_usd: for all of these hours, and all of the stack.

    """

    usd_per_hour: float | None
    usd_per_day: float | None
    beside_usd_per_hour: float
    hours: float
    ends: bool
    worst_usd: float | None


def bill(cost: CostPlan, hours: float | None = None) -> Bill:
    """Add up what the machines cost, and what is beside them.

    Args:
        cost: of the plan.
        hours: until something stops them; None where nothing does.

    """
    run, price = HOURS_PER_MONTH if hours is None else hours, cost.usd_per_hour
    return Bill(
        usd_per_hour=price,
        usd_per_day=None if price is None else price * 24,
        hours=run,
        ends=hours is not None,
        beside_usd_per_hour=cost.beside_usd_per_hour,
        worst_usd=None if price is None else (price + cost.beside_usd_per_hour) * run,
    )


def check_bill(asked: Bill, max_usd: float) -> None:
    """Refuse a bill that may become higher than what somebody agreed to.

    Raises:
        DeployError: it may, or nobody knows.

    """
    if asked.worst_usd is None:
        raise DeployError(
            "nobody can tell whether this stays within --max-cost: no price is known for these machines",
            hint="Nothing was created. Add the price to the catalogue, or agree on a terminal without --yes.",
            code="price_unknown",
        )
    if asked.worst_usd > max_usd:
        until = f"in {asked.hours:g} hours" if asked.ends else f"in a month ({asked.hours:g} hours): nothing stops it"
        raise DeployError(
            f"this may cost {asked.worst_usd:,.2f} USD {until}; --max-cost is {max_usd:,.2f}",
            hint="Nothing was created. Raise --max-cost, or choose smaller machines or a shorter life.",
            code="too_expensive",
        )
