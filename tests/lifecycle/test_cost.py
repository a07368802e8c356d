"""What a profile's machines cost: it adds up, follows the prices, and says what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.cost import cost_report
from lifecycle.profiles import shipped_names
from planner.cost import TARGETS, CostReport
from planner.errors import DeployError, PlanError, UsageError


def cost(profile: str, target: str = "aws", **more: Any) -> CostReport:
    asked = {"demand": {}, "prices": None, "currency": "USD", "accept_licence": False, **more}
    return cost_report(profile, target, asked.pop("demand"), **asked)


@pytest.mark.parametrize("profile", shipped_names())
@pytest.mark.parametrize("target", TARGETS)
def test_hours_come_to_months_and_months_to_years(profile: str, target: str) -> None:
    report = cost(profile, target)
    for way in report.ways:
        assert way.per_month.typical == pytest.approx(way.per_hour.typical * 730, rel=1e-3)
        assert way.per_24_months.typical == pytest.approx(way.per_month.typical * 24, rel=1e-3)
        if way.per_million_full and way.per_million_expected and report.tokens_per_s:
            full = way.per_hour.typical / (report.tokens_per_s.typical * 3600) * 1e6
            assert way.per_million_full.typical == pytest.approx(full, rel=1e-2)
            expected = way.per_million_full.typical / report.utilisation
            assert way.per_million_expected.typical == pytest.approx(expected, rel=1e-2)
    assert [w.per_hour.typical for w in report.ways] == sorted(w.per_hour.typical for w in report.ways)
    assert report.not_counted


def test_two_h200_on_aws_are_paid_as_eight() -> None:
    on_demand = next(w for w in cost("2xh200").ways if w.capacity == "on-demand")
    assert (on_demand.host, on_demand.per_hour.typical) == ("p5en.48xlarge", 63.296)
    assert (on_demand.gpus, on_demand.idle_gpus, on_demand.room) == (8, 6, 4)


def test_filling_the_node_costs_the_same_and_divides_it(tmp_path: Path) -> None:
    filled = tmp_path / "filled.toml"
    filled.write_text('description = "full"\nextends = "2xh200"\nhardware.replicas = 4\n')
    one, four = (next(w for w in cost(p).ways if w.capacity == "on-demand") for p in ("2xh200", str(filled)))
    assert four.per_hour == one.per_hour
    assert four.idle_gpus == 0
    assert one.per_million_full
    assert four.per_million_full
    assert four.per_million_full.typical == pytest.approx(one.per_million_full.typical / 4, rel=1e-2)


def test_bought_machines_have_a_range_and_are_paid_at_once() -> None:
    bought = next(w for w in cost("2xh200", "metal").ways if w.host == "oem-2xh200")
    assert bought.capacity == "bought"
    assert bought.per_hour.low < bought.per_hour.typical < bought.per_hour.high
    assert bought.upfront.low > 10_000


def test_sensitive_data_goes_first_to_providers_that_fit(tmp_path: Path) -> None:
    profile = tmp_path / "sensitive.toml"
    profile.write_text(
        'description = "x"\nextends = "2xh200"\n[data]\nclass = "sensitive"\nresidency = ["FR"]\ncontrol = ["EU"]\n'
    )
    ways = cost(str(profile), "metal").ways
    fitting = [way for way in ways if not way.misfits]
    assert {way.provider for way in fitting} == {"own premises", "OVHcloud"}
    assert ways[: len(fitting)] == tuple(fitting)
    assert any("controlled from US" in reason for way in ways for reason in way.misfits)


def test_own_prices_are_taken(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[host_hour]]\nhost = "p5en.48xlarge"\ncapacity = "reserved"\nper_hour = 20.0\nas_of = 2026-11-01\n'
    )
    first = cost("2xh200", prices=prices).ways[0]
    assert (first.capacity, first.per_hour.typical, first.source) == ("reserved", 20.0, f"file {prices}")


def test_demand_sets_the_expected_use() -> None:
    report = cost("2xh200", demand={"peak_concurrency": "16", "tokens_per_day": "10M"})
    assert report.tokens_per_s
    assert report.utilisation == pytest.approx(10e6 / (report.tokens_per_s.typical * 86400), rel=1e-3)


@pytest.mark.parametrize(
    ("profile", "asked", "message"),
    [
        ("2xh200", {"target": "moon"}, "'moon' is unknown"),
        ("2xh200", {"demand": {"people": "3"}}, "no field 'people'"),
        ("2xh200", {"demand": {"peak_concurrency": "-3"}}, "no positive quantity"),
        ("2xh200", {"demand": {"peak_concurrency": "16", "tokens_per_day": "20GB"}}, "unknown unit"),
        ("2xh200", {"demand": {"peak_concurrency": "16", "tokens_per_day": "1B"}}, "more than 1 replicas generate"),
        ("2xh200", {"currency": "XYZ"}, "no rate between"),
        ("2xh200", {"prices": Path("nowhere.toml")}, "cannot be read"),
        ("nothing", {}, "no profile"),
    ],
)
def test_refused(profile: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError) as refused:
        cost(profile, **asked)
    assert message in refused.value.message
    assert isinstance(refused.value, UsageError)


def test_a_licence_is_accepted_by_saying_so(tmp_path: Path) -> None:
    profile = tmp_path / "research.toml"
    profile.write_text(
        'description = "x"\nmodel.name = "mistral-large-2407"\nhardware.gpu = "h200"\nhardware.count = 4\n'
    )
    with pytest.raises(PlanError) as refused:
        cost(str(profile), "aws")
    assert refused.value.code == "licence_not_accepted"
    assert cost(str(profile), "aws", accept_licence=True).ways
