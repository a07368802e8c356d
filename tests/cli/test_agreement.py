"""Nothing is made on AWS that nobody agreed to pay for."""

from __future__ import annotations

import io
import sys

import msgspec
import pytest

from cli.agreement import agree_to_bill, told
from lifecycle.planning import PlanReport
from lifecycle.profiles import load_profile
from planner.bill import bill
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def report() -> PlanReport:
    site = Site(stack="team-a", target="aws", account="123456789012")
    plan = make_plan(load_profile("2xh200"), load_catalogue(), site)
    return PlanReport(
        plan=plan,
        decisions=(),
        resources=(),
        changes={"create": 40},
        findings=(),
        cost=plan.cost,
        bill=bill(plan.cost, 8.0),
        push_s=None,
        launched=(),
    )


@pytest.mark.parametrize(
    ("yes", "limit", "code"),
    [(True, None, "no_max_cost"), (False, None, "no_max_cost"), (True, 506.0, "too_expensive")],
)
def test_without_a_terminal(report: PlanReport, yes: bool, limit: float | None, code: str) -> None:
    with pytest.raises(DeployError) as refused:
        agree_to_bill(report, yes=yes, max_cost=limit)
    assert refused.value.code == code
    assert "Nothing was created" in refused.value.hint


def test_a_limit_that_suffices(report: PlanReport) -> None:
    assert agree_to_bill(report, yes=True, max_cost=507.0)


def test_nothing_to_do_needs_nobody(report: PlanReport) -> None:
    same = msgspec.structs.replace(report, changes={"same": 40})
    assert agree_to_bill(same, yes=False, max_cost=None)


@pytest.mark.parametrize(("typed", "agreed"), [("team-a\n", True), (" team-a \n", True), ("y\n", False), ("\n", False)])
def test_the_name_is_typed(
    report: PlanReport,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    agreed: bool,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    assert agree_to_bill(report, yes=False, max_cost=None) is agreed
    said = capsys.readouterr()
    assert said.out.strip() == ""
    for words in ("123456789012, us-east-2", "63.30 USD", "1,519.10 USD", "506.98 USD in 8 h"):
        assert words in said.err


def test_a_limit_holds_for_whoever_types_too(report: PlanReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("team-a\n"))
    with pytest.raises(DeployError, match=r"506\.98 USD in 8 hours"):
        agree_to_bill(report, yes=False, max_cost=500.0)


def test_a_bill_without_an_end_says_so(report: PlanReport) -> None:
    endless = msgspec.structs.replace(report, bill=bill(report.cost))
    assert dict(told(endless))["worst case"] == "46,261.93 USD in a month (730 h): nothing stops it by itself"
    unknown = bill(msgspec.structs.replace(report.cost, usd_per_hour=None))
    assert "unknown" in dict(told(msgspec.structs.replace(report, bill=unknown)))["price"]
