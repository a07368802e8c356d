"""Which provider may have which data: every case of cases/jurisdiction.toml against the shipped rows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalogue import load_catalogue
from planner.jurisdiction import EEA, EU, DataClass, check_provider, countries

CASES = tomllib.loads((Path(__file__).parent / "cases" / "jurisdiction.toml").read_text(encoding="utf-8"))["case"]
names = st.lists(st.sampled_from(["EU", "EEA", "FR", "US", "CH"]), unique=True).map(tuple)


def asked(case: dict[str, Any]) -> tuple[str, ...]:
    lists = {key: tuple(case.get(key, ())) for key in ("residency", "control", "certificates")}
    provider = load_catalogue().providers[case["provider"]]
    return check_provider(provider, data_class=case["data_class"], region=case.get("region", ""), **lists)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    reasons = asked(case)
    assert len(reasons) == len(case["reasons"]), reasons
    for reason, wanted in zip(reasons, case["reasons"], strict=True):
        assert wanted in reason
        assert reason.startswith(load_catalogue().providers[case["provider"]].title)


def test_groups() -> None:
    assert len(EU) == 27
    assert len(EEA) == 30
    assert countries(("EU", "CH")) == EU | {"CH"}
    assert countries(()) == frozenset()


@given(
    provider=st.sampled_from(sorted(load_catalogue().providers)),
    region=st.sampled_from(["", "FR", "eu-west-3", "GRA", "fr-par", "us-east-2", "nowhere"]),
    residency=names,
    control=names,
    certificates=st.lists(st.sampled_from(["HDS", "SecNumCloud", "C5"]), unique=True).map(tuple),
)
def test_what_fits_stricter_data_fits_laxer_data(
    provider: str, region: str, residency: tuple[str, ...], control: tuple[str, ...], certificates: tuple[str, ...]
) -> None:
    def reasons(data_class: DataClass) -> set[str]:
        return set(
            check_provider(
                load_catalogue().providers[provider],
                data_class=data_class,
                region=region,
                residency=residency,
                control=control,
                certificates=certificates,
            )
        )

    assert reasons("open") <= reasons("internal") <= reasons("sensitive")
