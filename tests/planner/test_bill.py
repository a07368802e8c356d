"""What somebody agrees to before anything is made."""

from __future__ import annotations

import pytest

from planner.bill import bill, check_bill
from planner.errors import DeployError
from planner.plan import CostPlan


def cost(price: float | None) -> CostPlan:
    return CostPlan(usd_per_hour=price, usd_per_hour_on_aws=price, basis="b", as_of="2026-01-01", verified=True)


@pytest.mark.parametrize(
    ("price", "hours", "day", "run", "worst"),
    [(10.0, 8.0, 240.0, 8.0, 80.0), (10.0, None, 240.0, 730.0, 7300.0), (0.0, None, 0.0, 730.0, 0.0)],
)
def test_the_worst_case(price: float, hours: float | None, day: float, run: float, worst: float) -> None:
    asked = bill(cost(price), hours)
    assert (asked.usd_per_day, asked.hours, asked.worst_usd, asked.ends) == (day, run, worst, hours is not None)
    check_bill(asked, worst or 1.0)
    if worst:
        with pytest.raises(DeployError, match="--max-cost is") as refused:
            check_bill(asked, worst - 0.01)
        assert refused.value.code == "too_expensive"
        assert ("nothing stops it" in refused.value.message) == (hours is None)


def test_no_limit_holds_for_a_price_that_nobody_knows() -> None:
    asked = bill(cost(None), 1.0)
    assert asked.worst_usd is None
    with pytest.raises(DeployError) as refused:
        check_bill(asked, 1e9)
    assert refused.value.code == "price_unknown"
