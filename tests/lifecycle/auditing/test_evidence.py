"""Evidence of a running stack is about what its account and its files are by now, and not about our notes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.evidence import gather
from lifecycle.evidence.gather import look_at_stack
from lifecycle.evidence.package import check_evidence, write_evidence
from lifecycle.probes.base import Check
from lifecycle.stack import Stack
from lifecycle.verify import VerifyReport
from planner.plan import WaiverPlan
from planner.progress import Silent
from policies.rules import RULES
from sandbox.handlers.clients import Boto3Clients
from tests.lifecycle.auditing.test_account import REFUSED, Hand, Refusing, done

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

DAY, AT = date(2026, 11, 21), datetime(2026, 11, 21, 12, tzinfo=UTC)
OPEN = "aws:ec2/internetGateway:InternetGateway"
Make = Callable[[Stack], tuple[Any, Any]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write evidence of a stack whose services answer as they should, and read the record and the SARIF log."""

    def probed(stack: Stack, *_: object, judge: bool) -> VerifyReport:
        assert not judge, "the rules are run once, over what is read anew"
        return VerifyReport(
            ok=True, stack=stack.plan.stack, checks=(Check(id="tls.x", ok=True, detail=""),), not_tried=0
        )

    monkeypatch.setattr(gather, "verify", probed)

    def made(stack: Stack) -> tuple[Any, Any]:
        out = tmp_path / "evidence"
        write_evidence(look_at_stack(stack, DAY, Silent()), stack.home, out, AT)
        assert check_evidence(out).ok
        return json.loads((out / "evidence.json").read_text()), json.loads((out / "findings.sarif").read_text())

    return made


@pytest.fixture(scope="module")
def hand(stack: Stack, clients: Boto3Clients) -> Hand:
    return Hand(stack, clients)


def verdicts(record: Any) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in record["rules"]}


def test_what_nobody_touched_holds_and_twice_the_same(stack: Stack, make: Make) -> None:
    record, log = make(stack)
    assert record["ok"]
    assert record["counts"].keys() <= {"holds", "not applicable"}
    assert (verdicts(record)["audit-complete"], verdicts(record)["only-rendered-files"]) == ("holds", "holds")
    read = record["audit"]
    assert len(read["resources"]) > 40
    assert "traefik/dynamic/routes.yml" in read["files"]
    assert {one["name"] for one in record["inputs"]} >= set(read["files"])
    assert (read["strangers"], read["gone"], read["unread"]) == ([], [], [])
    assert record["exposure"]["of"] == "account"
    assert {one["effect"] for one in record["access"]["grants"]} == {"Allow", "Deny"}
    again, log_again = make(stack)
    assert (again, log_again) == (record, log)


def test_what_was_changed_by_hand_is_judged(hand: Hand, stack: Stack, make: Make) -> None:
    with done(hand, "open_group", "gateway"):
        record, _ = make(stack)
    assert not record["ok"]
    assert not record["exposure"]["ok"]
    found = verdicts(record)
    assert (found["only-named-networks"], found["no-internet-path"]) == ("violated", "violated")
    assert [place for place in record["audit"]["strangers"] if place.startswith(OPEN)]
    assert any(one["peer"] == "0.0.0.0/0" and one["ports"] == "22" for one in record["access"]["groups"])


def test_a_file_that_was_changed_is_judged_and_placed(stack: Stack, make: Make) -> None:
    config = Path(stack.layout.config)
    routes, more = config / "traefik/dynamic/routes.yml", config / "traefik/dynamic/more.yml"
    sound = routes.read_bytes()
    said = msgspec.yaml.decode(sound)
    for router in said["http"]["routers"].values():
        router["middlewares"] = []
    try:
        routes.write_bytes(msgspec.yaml.encode(said))
        more.write_text("http: {}\n")
        record, log = make(stack)
    finally:
        routes.write_bytes(sound)
        more.unlink()
    found = verdicts(record)
    assert (found["routes-authenticated"], found["only-rendered-files"]) == ("violated", "violated")
    assert record["audit"]["strangers"] == ["traefik/dynamic/more.yml"]
    placed = {
        one["ruleId"]: one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in log["runs"][0]["results"]
        if "physicalLocation" in one["locations"][0]
    }
    assert placed["routes-authenticated"] == "traefik/dynamic/routes.yml"
    assert placed["only-rendered-files"] == "traefik/dynamic/more.yml"


def test_what_may_not_be_read_holds_nowhere(
    stack: Stack, clients: Boto3Clients, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [name for name in REFUSED if name != "DescribeInternetGateways"]  # which the exposure proof needs
    monkeypatch.setattr("lifecycle.provision.Provisioner.clients", lambda _: Refusing(clients, *refused))
    record, log = make(stack)
    assert not record["ok"]
    found = verdicts(record)
    assert found["audit-complete"] == "undecidable"
    of_account = {rule.id for rule in RULES if "resources" in rule.levels}
    passing = {"holds", "not applicable", "not judged"}
    assert not [name for name in of_account if found[name] in passing], "something of the account was not read"
    assert len(record["audit"]["unread"]) >= len(refused)
    assert {one["kind"] for one in log["runs"][0]["results"]} == {"open", "notApplicable"}


def test_waivers_are_judged_over_all_of_it(stack: Stack, make: Make) -> None:
    unused = WaiverPlan(
        rule="no-internet-path", resource="*", owner="ops", reason="r", ticket="T-1", expiry=date(2026, 12, 1)
    )
    policy = msgspec.structs.replace(stack.plan.policy, waivers=(unused,))
    waived = Stack(stack.home, msgspec.structs.replace(stack.plan, policy=policy), Silent())
    record, _ = make(waived)
    assert [(one["rule"], "unused" in one["message"]) for one in record["findings"]] == [("waivers", True)]
    assert [one["covers"] for one in record["waivers"]] == [0]
