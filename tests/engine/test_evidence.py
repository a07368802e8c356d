"""Evidence of a stack that Pulumi's own engine made: what the account has is read anew and judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle import up_aws
from lifecycle.evidence import gather
from lifecycle.evidence.gather import look_at_stack
from lifecycle.evidence.package import check_evidence, write_evidence
from lifecycle.home import Home
from lifecycle.planning import Request
from lifecycle.stack import Stack
from lifecycle.up import up
from lifecycle.verify import VerifyReport
from planner.progress import Silent
from policies.rules import RULES
from tests.engine.site import MARKS, Site
from tests.engine.target import install_plugin
from tests.sandbox.aws.settings import lead_aws

pytestmark = [*MARKS, pytest.mark.timeout(300)]
DAY, AT = date(2026, 11, 21), datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def evidence(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Make a stack whose nodes are never configured, and return what writes evidence of it and reads the record."""
    lead_aws(monkeypatch, site.url)
    monkeypatch.setenv("CLOISTER_HOME", str(site.folder / "home"))
    monkeypatch.setattr(up_aws, "configure_nodes", lambda *_: ("a-model",))
    nothing_tried = VerifyReport(ok=True, stack=site.stack, checks=(), not_tried=0)
    monkeypatch.setattr(gather, "verify", lambda *_, judge: nothing_tried)  # there is no endpoint to try
    install_plugin(Home.of_user())
    home = Home.of_user().stack(site.stack)
    up(home, Request(profile="2xh200", target="aws"), Silent())

    def written() -> Any:
        write_evidence(look_at_stack(Stack.load(home), DAY, Silent()), home, tmp_path / "evidence", AT)
        assert check_evidence(tmp_path / "evidence").ok
        return json.loads((tmp_path / "evidence" / "evidence.json").read_text())

    return written


def test_what_the_engine_made_is_judged_as_it_is(site: Site, evidence: Callable[[], Any]) -> None:
    record = evidence()
    verdicts = {one["id"]: one["verdict"] for one in record["rules"]}
    assert record["ok"], record["findings"]
    assert (record["audit"]["strangers"], record["audit"]["gone"], record["audit"]["unread"]) == ([], [], [])
    assert len(record["audit"]["resources"]) > 40
    assert (record["exposure"]["of"], record["exposure"]["ok"]) == ("account", True)
    assert {one["resource"] for one in record["findings"]} == {"plan"}, "the profile names no owner"
    of_account = {rule.id for rule in RULES if "resources" in rule.levels}
    assert {name for name in of_account if verdicts[name] != "holds"} == {"deadline-switch"}
    assert verdicts["deadline-switch"] == "not applicable", "it has no deadline"
    assert verdicts["firewall-default-deny"] == "not judged", "no host was read"

    ec2 = site.clients.client("ec2")
    own = [{"Name": "tag:cloister:stack", "Values": [site.stack]}]
    vpc = ec2.describe_vpcs(Filters=own)["Vpcs"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    try:
        record = evidence()
    finally:
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert not record["ok"]
    assert [one["verdict"] for one in record["rules"] if one["id"] == "no-internet-path"] == ["violated"]
    assert any(gateway in place for place in record["audit"]["strangers"])
