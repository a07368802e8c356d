"""A stack with a deadline: nothing is started before the account can end it, and everything ends."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.client
import msgspec
import pytest

from lifecycle import sweep, switches
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime, group_name
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import AlarmPlan, DeadlinePlan, Plan
from planner.progress import Silent
from policies.run import evaluate, refusals
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import Account
from tests.stacks.test_life import spanning, up
from tests.stacks.test_program import registered

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
UNTIL = NOW + timedelta(hours=8)
Calls = list[tuple[str, dict[str, Any]]]


def plan_until(stack: str, until: datetime, **ports: int) -> Plan:
    numbers = {"aws.http": ports["aws"]} if ports else {}
    lifetime = Lifetime(since=NOW, until=until)
    return make_plan(load_profile("2xh200"), load_catalogue(), Site(stack=stack, ports=numbers, lifetime=lifetime))


def provisioner(stack: str, account: Account, folder: Path) -> Provisioner:
    port = urlsplit(account.url).port
    assert port is not None
    home = Home(folder).stack(stack)
    home.folder.mkdir(parents=True)
    return Provisioner(plan_until(stack, UNTIL, aws=port), home, Silent())


def deadline_of(plan: Plan) -> DeadlinePlan:
    assert plan.deadline is not None
    return plan.deadline


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Everything that is asked of the account from this process, in order."""
    asked: Calls = []
    client: Any = botocore.client.BaseClient
    make = client._make_api_call

    def noting(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        answer = make(self, operation, parameters)
        asked.append((operation, parameters))
        return answer

    monkeypatch.setattr(client, "_make_api_call", noting)
    return asked


def places(calls: Calls, operation: str, **parameters: Any) -> list[int]:
    return [
        place for place, (name, asked) in enumerate(calls) if name == operation and asked.items() >= parameters.items()
    ]


def test_the_switch_is_there_before_anything_is_started(
    account: Account, clients: Boto3Clients, tmp_path: Path, calls: Calls
) -> None:
    made = provisioner("switched", account, tmp_path)
    made.plan = spanning(made.plan, "p5en.48xlarge")
    with up(made) as outputs:
        assert [node.name for node in outputs.nodes] == ["node-0", "node-1"]
        assert places(calls, "RunInstances") == []
        started = places(calls, "SetDesiredCapacity")
        assert len(started) == 2
        for node in made.plan.nodes:
            group = {"AutoScalingGroupName": group_name("switched", node.name)}
            (create,) = places(calls, "CreateAutoScalingGroup", **group)
            (schedule,) = places(calls, "PutScheduledUpdateGroupAction", **group)
            assert create < schedule < min(started)
            assert calls[create][1]["MinSize"] == 0
            assert "DesiredCapacity" not in calls[create][1]
            assert calls[schedule][1]["StartTime"] == UNTIL
            assert [calls[schedule][1][size] for size in switches.SIZES] == [0, 0, 0]
            assert places(calls, "DescribeScheduledActions", **group)[-1] < min(started), "the account was asked"
        ec2 = clients.client("ec2")
        for node_outputs in outputs.nodes:
            found = ec2.describe_instances(InstanceIds=[node_outputs.instance_id])["Reservations"][0]["Instances"][0]
            tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
            assert tags["cloister:until"] == UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ")
            assert tags["cloister:resource"] == node_outputs.name
            assert found["PrivateIpAddress"] == node_outputs.private_ip
            assert found["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
        before = len(calls)
        assert {change.op for change in made.up()[1]} == {"same"}
        assert places(calls[before:], "SetDesiredCapacity") == []
        assert len(sweep.tagged(clients, "switched")) > 10
        down_from = len(calls)
    ended = calls[down_from:]
    lowered = places(ended, "UpdateAutoScalingGroup", MinSize=0, MaxSize=0, DesiredCapacity=0)
    assert max(lowered[:2]) < min(places(ended, "DeleteScheduledAction")), "a switch goes after what it ends"
    assert sweep.tagged(clients, "switched") == ()


def test_a_switch_that_is_missing_stops_the_start(
    account: Account, clients: Boto3Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = provisioner("unswitched", account, tmp_path)
    api = clients.client("autoscaling")
    stands = switches.check

    def taken_away(clients: Any, plan: Plan, node: Any) -> None:
        name = group_name("unswitched", node.name)
        api.delete_scheduled_action(AutoScalingGroupName=name, ScheduledActionName=f"{name}-deadline")
        stands(clients, plan, node)

    monkeypatch.setattr(switches, "check", taken_away)
    with pytest.raises(DeployError, match="nothing in the account ends it") as refusal:
        made.up()
    assert refusal.value.code == "switch_missing"
    assert switches.missing(clients, made.plan) == made.plan.nodes
    made.destroy()


def test_a_node_that_cannot_be_had_leaves_an_empty_group(
    account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    made = provisioner("refused", account, tmp_path)
    nodes = tuple(
        msgspec.structs.replace(node, capacity="reservation", reservation_id="cr-00000000000000000")
        for node in made.plan.nodes
    )
    reserved = clients.client("ec2").create_capacity_reservation(
        InstanceType="g6e.xlarge", InstancePlatform="Linux/UNIX", AvailabilityZone="us-east-2a", InstanceCount=1
    )["CapacityReservation"]["CapacityReservationId"]
    nodes = tuple(msgspec.structs.replace(node, reservation_id=reserved) for node in nodes)
    made.plan = msgspec.structs.replace(made.plan, nodes=nodes)
    with pytest.raises(DeployError, match="could not be started") as refusal:
        made.up()
    assert reserved in refusal.value.message
    (group,) = clients.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[group_name("refused", "node-0")]
    )["AutoScalingGroups"]
    assert group["DesiredCapacity"] == 0
    made.destroy()
    clients.client("ec2").cancel_capacity_reservation(CapacityReservationId=reserved)


def test_a_node_that_was_lost_is_started_again(account: Account, clients: Boto3Clients, tmp_path: Path) -> None:
    made = provisioner("lost", account, tmp_path)
    with up(made) as outputs:
        lost = outputs.nodes[0].instance_id
        clients.client("ec2").terminate_instances(InstanceIds=[lost])
        (node,) = made.up()[0].nodes
        assert node.instance_id != lost


def test_only_the_stacks_own_reservation_ends_with_it(account: Account, clients: Boto3Clients, tmp_path: Path) -> None:
    made, ec2 = provisioner("reserved", account, tmp_path), clients.client("ec2")
    wanted = {
        "InstanceType": made.plan.nodes[0].instance_type,
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-2a",
        "InstanceCount": 1,
    }
    tags = [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "cloister:stack", "Value": "reserved"}]}]
    mine = ec2.create_capacity_reservation(**wanted, TagSpecifications=tags)["CapacityReservation"]
    others = ec2.create_capacity_reservation(**wanted)["CapacityReservation"]
    told: list[str] = []

    class Told(Silent):
        def warn(self, text: str) -> None:
            told.append(text)

    for reservation, limited in ((mine, 1), (others, 0)):
        name = reservation["CapacityReservationId"]
        nodes = tuple(
            msgspec.structs.replace(node, capacity="reservation", reservation_id=name) for node in made.plan.nodes
        )
        plan = msgspec.structs.replace(made.plan, nodes=nodes)
        assert switches.limit_reservation(clients, plan, deadline_of(plan), Told()) == limited
        (seen,) = ec2.describe_capacity_reservations(CapacityReservationIds=[name])["CapacityReservations"]
        assert seen.get("EndDate") == (UNTIL if limited else None)
    assert [text.split()[0] for text in told] == [others["CapacityReservationId"]]
    assert [item.id for item in sweep.tagged(clients, "reserved")] == [mine["CapacityReservationId"]]
    sweep.delete(clients, sweep.tagged(clients, "reserved"))
    ec2.cancel_capacity_reservation(CapacityReservationId=others["CapacityReservationId"])


def test_an_alarm_comes_and_goes_with_the_stack(account: Account, clients: Boto3Clients, tmp_path: Path) -> None:
    made, budgets = provisioner("alarmed", account, tmp_path), clients.client("budgets")
    alarm = AlarmPlan(limit_usd=500.0, at_percent=(50.0, 100.0), emails=("operators@example.com",))
    made.plan = msgspec.structs.replace(made.plan, alarm=alarm)
    mine = {"AccountId": "123456789012", "BudgetName": "cloister-alarmed"}
    with up(made):
        budget = budgets.describe_budget(**mine)["Budget"]
        assert budget["BudgetLimit"] == {"Amount": "500.00", "Unit": "USD"}
        assert budget["CostFilters"] == {"TagKeyValue": ["user:cloister:stack$alarmed"]}
        told = budgets.describe_notifications_for_budget(**mine)["Notifications"]
        assert [one["Threshold"] for one in told] == [50.0, 100.0]
        assert {one["NotificationType"] for one in told} == {"ACTUAL"}
        assert "budget" in {item.kind for item in sweep.tagged(clients, "alarmed")}
    assert sweep.tagged(clients, "alarmed") == ()


def test_the_program_never_fills_a_group_and_is_lawful(tmp_path: Path) -> None:
    plan = plan_until("tested", UNTIL)
    resources = registered(plan, tmp_path)
    assert refusals(evaluate(plan, resources.values())) == ()
    types = {resource.type for resource in resources.values()}
    assert "aws:ec2/instance:Instance" not in types
    group = resources["node-0-group"].inputs
    assert (group["minSize"], group["maxSize"]) == (0, 1)
    assert "desiredCapacity" not in group
    propagated = [tag["key"] for tag in group["tags"] if tag["propagateAtLaunch"]]
    assert propagated == ["cloister:until"]
    template = resources["node-0-template"].inputs
    assert template["instanceInitiatedShutdownBehavior"] == "terminate"
    assert "disableApiTermination" not in template
    assert all("subnetId" not in interface for interface in template["networkInterfaces"])
    specified = {tag for one in template["tagSpecifications"] for tag in one["tags"]}
    assert "cloister:until" not in specified, "moving the deadline would make a new version, and so new nodes"
    tagged = [r for r in resources.values() if isinstance(r.inputs.get("tags"), dict)]
    assert len(tagged) > 15
    assert all(r.inputs["tags"]["cloister:until"] == UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ") for r in tagged)


def test_auto_scaling_may_use_the_key_for_disks_alone(tmp_path: Path) -> None:
    plan = plan_until("tested", UNTIL)
    policy = msgspec.json.decode(registered(plan, tmp_path)["keys-key"].inputs["policy"])
    ours = [one for one in policy["Statement"] if one["Sid"].endswith("OfAutoScaling")]
    assert len(ours) == 2
    for statement in ours:
        condition = statement["Condition"]
        assert condition["ArnEquals"]["aws:PrincipalArn"].endswith("/AWSServiceRoleForAutoScaling")
        assert condition["StringEquals"] == {"kms:CallerAccount": "123456789012"}
    grants = next(one for one in ours if "kms:CreateGrant" in one["Action"])
    assert grants["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    lasting = msgspec.structs.replace(plan, deadline=None)
    policy = msgspec.json.decode(registered(lasting, tmp_path / "lasting")["keys-key"].inputs["policy"])
    assert not [one for one in policy["Statement"] if one["Sid"].endswith("OfAutoScaling")]


class _Metadata(BaseHTTPRequestHandler):
    """The metadata service: a token is put, and the tag is read with it in the header."""

    until = ""

    def do_PUT(self) -> None:
        self._answer("the-token" if self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") else "")

    def do_GET(self) -> None:
        known = self.headers.get("X-aws-ec2-metadata-token") == "the-token"
        wanted = self.path == "/latest/meta-data/tags/instance/cloister:until"
        self._answer(type(self).until if known and wanted else "")

    def _answer(self, text: str) -> None:
        self.send_response(200 if text else 404)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_the_host_ends_itself_at_the_deadline_and_not_before(tmp_path: Path) -> None:
    template = registered(plan_until("tested", UNTIL), tmp_path)["node-0-template"].inputs
    script = base64.b64decode(template["userData"]).decode()
    server = HTTPServer(("127.0.0.1", 0), _Metadata)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    root = tmp_path / "root"
    for folder in ("usr/local/sbin", "etc/systemd/system", "var/lib", "bin"):
        (root / folder).mkdir(parents=True)
    stub = root / "bin" / "systemctl"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {root}/told\n')
    stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}", "no_proxy": "*"}
    here = script.replace("http://169.254.169.254", f"http://127.0.0.1:{server.server_port}")
    for path in ("/usr/local/sbin", "/etc/systemd/system", "/var/lib"):
        here = here.replace(f" {path}/", f" {root}{path}/").replace(f"={path}/", f"={root}{path}/")

    def run(*command: str) -> None:
        subprocess.run(command, env=environment, check=True, timeout=30)

    def told() -> list[str]:
        return (root / "told").read_text().splitlines()

    try:
        run("sh", "-c", here)
        assert told() == ["daemon-reload", "enable --now cloister-deadline.timer"]
        check = f"{root}/usr/local/sbin/cloister-deadline"
        run("sh", check)
        assert len(told()) == 2, "no tag can be read, and none was: it goes on"
        _Metadata.until = UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ")
        run("sh", check)
        assert len(told()) == 2
        _Metadata.until = ""
        kept = root / "var/lib/cloister-deadline"
        assert int(kept.read_text()) == UNTIL.timestamp()
        kept.write_text("1000000000")
        run("sh", check)
        assert told()[2:] == ["poweroff"], "the last one that was read counts"
        _Metadata.until = UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ")
        run("sh", check)
        assert len(told()) == 3, "it was moved"
        _Metadata.until = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
        run("sh", check)
        assert told()[3:] == ["poweroff"]
    finally:
        _Metadata.until = ""
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
