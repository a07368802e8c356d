"""Currencies: the cases of cases/money.toml, and the way back."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalogue import load_catalogue
from planner.catalogue.rows import Rate
from planner.errors import PlanError
from planner.money import convert

CASES = tomllib.loads((Path(__file__).parent / "cases" / "money.toml").read_text(encoding="utf-8"))["case"]


def rate(base: str, quote: str, per_unit: float) -> Rate:
    return Rate(base=base, quote=quote, per_unit=per_unit, source="test", as_of=dt.date(2026, 11, 1), verified=False)


RATES = (rate("EUR", "USD", 1.25), rate("GBP", "USD", 1.5), rate("CHF", "JPY", 200), rate("EUR", "USD", 2))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['amount']} {case['from']} in {case['to']}")
def test_case(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(PlanError) as refused:
            convert(case["amount"], case["from"], case["to"], RATES)
        assert case["error"] in refused.value.message
        assert "[[rate]]" in refused.value.hint
    else:
        assert convert(case["amount"], case["from"], case["to"], RATES) == pytest.approx(case["is"])


@given(amount=st.floats(min_value=-1e12, max_value=1e12), way=st.permutations(["EUR", "USD", "GBP"]))
def test_there_and_back(amount: float, way: list[str]) -> None:
    there = convert(amount, way[0], way[1], RATES)
    assert convert(there, way[1], way[0], RATES) == pytest.approx(amount)


def test_the_shipped_rates_join_every_currency_of_the_shipped_prices() -> None:
    catalogue = load_catalogue()
    used = {price.currency for price in catalogue.host_prices} | {price.currency for price in catalogue.purchases}
    assert used | {price.currency for price in catalogue.apis.values()} == {"EUR", "USD"}
    assert 0 < convert(1, "USD", "EUR", catalogue.rates) < 1
