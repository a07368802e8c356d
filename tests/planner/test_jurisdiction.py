"""Which provider may have which data: every case of cases/jurisdiction.toml against the shipped rows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalogue import load_catalogue
from planner.errors import PlanError
from planner.jurisdiction import EEA, EU, DataClass, countries, misfits

CASES = tomllib.loads((Path(__file__).parent / "cases" / "jurisdiction.toml").read_text(encoding="utf-8"))["case"]
names = st.lists(st.sampled_from(["EU", "EEA", "FR", "US", "CH"]), unique=True).map(tuple)


def asked(case: dict[str, Any]) -> tuple[str, ...]:
    lists = {key: tuple(case.get(key, ())) for key in ("residency", "control", "certificates")}
    provider = load_catalogue().providers[case["provider"]]
    return misfits(provider, data=case["data"], region=case.get("region", ""), **lists)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(PlanError) as refused:
            asked(case)
        assert case["error"] in refused.value.message
        return
    reasons = asked(case)
    assert len(reasons) == len(case["reasons"]), reasons
    for reason, wanted in zip(reasons, case["reasons"], strict=True):
        assert wanted in reason


def test_groups() -> None:
    assert len(EU) == 27
    assert len(EEA) == 30
    assert countries(("EU", "CH")) == EU | {"CH"}
    assert countries(()) == frozenset()


@given(
    provider=st.sampled_from(sorted(load_catalogue().providers)),
    region=st.sampled_from(["", "FR", "eu-west-3", "GRA", "fr-par", "us-east-2", "nowhere"]),
    residency=names,
    control=names.filter(bool),
    certificates=st.lists(st.sampled_from(["HDS", "SecNumCloud", "C5"]), unique=True).map(tuple),
)
def test_what_fits_stricter_data_fits_laxer_data(
    provider: str, region: str, residency: tuple[str, ...], control: tuple[str, ...], certificates: tuple[str, ...]
) -> None:
    def reasons(data: DataClass) -> set[str]:
        return set(
            misfits(
                load_catalogue().providers[provider],
                data=data,
                region=region,
                residency=residency,
                control=control,
                certificates=certificates,
            )
        )

    assert reasons("open") <= reasons("internal") <= reasons("sensitive")
