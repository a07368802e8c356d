"""What was done by hand is listed, the state stays as it is, and nothing is repaired by looking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.main import run
from lifecycle import sweep as verb
from lifecycle.drift import drift
from lifecycle.home import Home, StackHome
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.outputs import Outputs
from planner.plan import to_json
from planner.progress import Silent
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import Account, account, clients

__all__ = ["account", "clients"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]


@pytest.fixture(scope="module")
def made(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackHome, Outputs]]:
    port = urlsplit(account.url).port
    assert port is not None
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="drifted", ports={"aws.http": port}))
    home = Home(tmp_path_factory.mktemp("home")).stack("drifted")
    home.folder.mkdir(parents=True)
    home.plan.write_text(to_json(plan))
    provisioner = Provisioner(plan, home, Silent())
    yield home, provisioner.up()[0]
    provisioner.destroy()


@pytest.fixture(autouse=True)
def own_home(made: tuple[StackHome, Outputs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(made[0].home.root))
    monkeypatch.setenv("COLUMNS", "200")


def test_what_nobody_touched_has_not_drifted(
    made: tuple[StackHome, Outputs], capsys: pytest.CaptureFixture[str]
) -> None:
    report = drift(made[0], Silent())
    assert run(["drift", "--stack", "drifted"]) == 0
    assert "everything is as it was made" in capsys.readouterr().out
    assert (report.changed, report.added, report.planned, report.not_looked_at) == ((), (), (), ())
    assert report.ok


def test_changed_deleted_and_added(
    made: tuple[StackHome, Outputs], clients: Boto3Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    home, outputs = made
    ec2, iam, logs = clients.client("ec2"), clients.client("iam"), clients.client("logs")
    before = home.resources.read_bytes()
    logs.put_retention_policy(logGroupName="/cloister/drifted/flows", retentionInDays=1)
    (role,) = (one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].endswith("drifted-node"))
    iam.delete_role_policy(RoleName=role, PolicyName="node")
    anywhere = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    group = outputs.node_security_group_id
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anywhere)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=outputs.vpc_id)
    tables = ec2.describe_route_tables(Filters=[{"Name": "tag:cloister:stack", "Values": ["drifted"]}])
    table = tables["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    tags = [{"Key": "cloister:stack", "Value": "drifted"}]
    volume = ec2.create_volume(
        AvailabilityZone="us-east-2a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )["VolumeId"]
    try:
        report = drift(home, Silent())
        assert not report.ok
        changed = {(one.op, one.type.rpartition(":")[2]): one for one in report.changed}
        assert set(changed) == {("update", "LogGroup"), ("delete", "RolePolicy")}
        assert changed["update", "LogGroup"].now == {"retentionInDays": 1}
        assert changed["update", "LogGroup"].was["retentionInDays"] > 1
        added = {(one.kind, one.detail) for one in report.added}
        assert ("security-group-rule", f"of {group}: in from 0.0.0.0/0, tcp 22-22") in added
        assert ("route", f"to 0.0.0.0/0 through {gateway}") in added
        assert volume in {one.id for one in report.added}
        assert len(report.added) == 3
        assert home.resources.read_bytes() == before
        assert drift(home, Silent()).changed == report.changed
        assert run(["drift", "--stack", "drifted"]) == 7
        told = capsys.readouterr().out
        was = changed["update", "LogGroup"].was["retentionInDays"]
        assert f"retentionInDays: {was} -> 1" in " ".join(told.split())
        assert "in from 0.0.0.0/0" in " ".join(told.split())
        assert run(["drift", "--stack", "drifted", "--json"]) == 7
        assert json.loads(capsys.readouterr().out)["changed"]
    finally:
        ec2.delete_volume(VolumeId=volume)
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=outputs.vpc_id)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=anywhere)


def test_a_stack_in_use_is_no_leftover_in_its_own_account(made: tuple[StackHome, Outputs]) -> None:
    home, outputs = made
    place = verb.place_of(home, "", all_stacks=False)
    report = verb.sweep(home.home, place, Silent())
    assert (report.account, report.region) == ("123456789012", "us-east-2")
    (stack,) = report.stacks
    assert stack.in_use
    assert outputs.vpc_id in {one.id for one in stack.things}
    assert stack.usd_per_month > 1000
    assert report.ok


def test_an_account_that_does_not_run_is_no_drift(made: tuple[StackHome, Outputs], tmp_path: Path) -> None:
    home = Home(tmp_path).stack("gone")
    home.folder.mkdir(parents=True)
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="gone", ports={"aws.http": 1}))
    home.plan.write_text(to_json(plan))
    with pytest.raises(DeployError, match="does not run"):
        drift(home, Silent())
