"""Stacks that end: their deadline is moved with every switch, and what has passed it is taken down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.client
import msgspec
import pytest

from lifecycle import files, sweep, switches
from lifecycle.aws.session import AwsSession
from lifecycle.drift import added_by_hand
from lifecycle.extend import Longer, extend
from lifecycle.home import Home, StackHome
from lifecycle.lock import hold
from lifecycle.planning import Request, decide, remember
from lifecycle.provision import Provisioner
from lifecycle.reap import accounts_of, chosen, deadlines, exit_code, reap
from lifecycle.stack import Stack
from lifecycle.sweeping.records import Place
from planner.deadline import group_name, switch_name, written
from planner.errors import DeployError, ExitCode
from planner.outputs import Outputs
from planner.plan import Plan
from planner.progress import Silent
from sandbox.aws.environment import ACCOUNT_ID
from tests.sandbox.aws.account import REGION, Account

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

HOUR = timedelta(hours=1)


@dataclass
class Made:
    """A stack with a deadline, its resources brought about."""

    home: StackHome
    plan: Plan
    outputs: Outputs
    session: AwsSession

    @property
    def until(self) -> datetime:
        assert self.plan.deadline is not None
        return self.plan.deadline.until

    def again(self) -> Plan:
        return Stack.load(self.home).plan

    def switch(self) -> datetime:
        """Return the moment at which Auto Scaling ends the node."""
        (action,) = self.session.client("autoscaling").describe_scheduled_actions(
            AutoScalingGroupName=group_name(self.home.name, "node-0"),
            ScheduledActionNames=[switch_name(self.home.name, "node-0")],
        )["ScheduledUpdateGroupActions"]
        found: datetime = action["StartTime"]
        return found.astimezone(UTC)

    def instance_tags(self) -> dict[str, str]:
        found = self.session.ec2.describe_instances(InstanceIds=[self.outputs.nodes[0].instance_id])
        return {tag["Key"]: tag["Value"] for tag in found["Reservations"][0]["Instances"][0]["Tags"]}


@pytest.fixture
def make(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Made]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    port = urlsplit(account.url).port
    made: list[Provisioner] = []

    def stack(name: str, **asked: Any) -> Made:
        home = Home(tmp_path / "home").stack(name)
        home.create()
        files.write(home.ports, msgspec.json.encode({"aws.http": port}))
        plan, kept = decide(home, Request(profile="2xh200", **asked))
        remember(home, plan, kept)
        made.append(Provisioner(plan, home, Silent()))
        outputs, _ = made[-1].up()
        return Made(home=home, plan=plan, outputs=outputs, session=AwsSession(REGION))

    yield stack
    for one in made:
        switches.empty(one.clients(), one.plan.stack)
        for _ in range(3):
            sweep.delete(one.clients(), sweep.tagged(one.clients(), one.plan.stack))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Everything that is asked of the account from this process, in order."""
    asked: list[tuple[str, dict[str, Any]]] = []
    client: Any = botocore.client.BaseClient
    ask = client._make_api_call

    def noting(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        asked.append((operation, parameters))
        return ask(self, operation, parameters)

    monkeypatch.setattr(client, "_make_api_call", noting)
    return asked


def test_extend_moves_every_switch_and_never_takes_one_away(
    make: Callable[..., Made], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    made = make("longer", ttl="2h")
    assert made.switch() == made.until
    calls.clear()
    shown: list[tuple[Plan, Plan]] = []

    def agree(old: Plan, new: Plan) -> bool:
        shown.append((old, new))
        return True

    report = extend(made.home, Longer(ttl="9h"), Silent(), agree=agree)
    assert report.before == made.until
    assert report.until > made.until + 6 * HOUR
    assert report.switches == 2
    ((old, new),) = shown
    assert old.deadline is not None
    assert new.deadline is not None
    assert new.deadline.since == old.deadline.since, "what was spent before counts"
    assert old.deadline.worst_case_usd is not None
    assert report.worst_case_usd == new.deadline.worst_case_usd
    assert report.worst_case_usd is not None
    assert report.worst_case_usd > old.deadline.worst_case_usd

    operations = [operation for operation, _ in calls]
    assert not {"DeleteScheduledAction", "DeleteAutoScalingGroup", "TerminateInstances"} & {*operations}
    assert operations.index("PutScheduledUpdateGroupAction") < operations.index("CreateTags")
    assert made.switch() == report.until
    assert made.instance_tags()["cloister:until"] == written(report.until)
    assert made.again().deadline == new.deadline
    assert deadlines(made.session)["longer"] == report.until
    outputs, changes = Provisioner(made.again(), made.home, Silent()).up()
    assert outputs == made.outputs, "the node goes on"
    assert {change.op for change in changes} == {"same"}


def test_an_extension_that_is_killed_leaves_a_switch_and_goes_on(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make("killed", ttl="2h")

    def killed(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(switches, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            extend(made.home, Longer(ttl="4h"), Silent())
    assert made.switch() == made.until
    Provisioner(made.again(), made.home, Silent()).up()
    assert made.switch() == made.again().deadline.until  # type: ignore[union-attr]  # it has one
    assert extend(made.home, Longer(ttl="5h"), Silent()).until == made.switch()


@pytest.mark.parametrize(
    ("longer", "code"),
    [
        (Longer(ttl="1h"), "not_later"),
        (Longer(ttl="9h"), "not_later"),
        (Longer(max_cost=90.0), "not_later"),
        (Longer(), "usage"),
    ],
)
def test_what_is_not_later_is_refused(make: Callable[..., Made], longer: Longer, code: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").stack("limited")
    home.create()
    plan, kept = decide(home, Request(profile="2xh200", max_cost=200.0))
    remember(home, plan, kept)
    assert plan.deadline is not None
    assert plan.deadline.until < datetime.now(UTC) + 4 * HOUR, "what the money lasts for"
    with pytest.raises(DeployError) as refusal:
        extend(home, longer, Silent())
    assert refusal.value.code == code


def test_a_stack_that_cannot_be_extended_says_why(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").stack("lasting")
    home.create()
    plan, kept = decide(home, Request(profile="2xh200"))
    remember(home, plan, kept)
    with pytest.raises(DeployError) as refusal:
        extend(home, Longer(ttl="8h"), Silent())
    assert refusal.value.code == "no_deadline"
    late = Home(tmp_path / "home").stack("late")
    late.create()
    plan, kept = decide(late, Request(profile="2xh200", ttl="1h"))
    remember(late, plan, kept)
    with pytest.raises(DeployError) as refusal:
        extend(late, Longer(ttl="8h"), Silent(), now=datetime.now(UTC) + 2 * HOUR)
    assert refusal.value.code == "deadline_passed"
    with pytest.raises(DeployError) as refusal:
        extend(late, Longer(ttl="8h"), Silent(), agree=lambda *_: False)
    assert refusal.value.code == "not_agreed"


def test_what_is_due_here_is_taken_down_once(make: Callable[..., Made]) -> None:
    made = make("due", ttl="1h")
    home = made.home.home
    lasting = home.stack("lasting")
    lasting.create()
    remember(lasting, *decide(lasting, Request(profile="2xh200")))
    broken = home.stack("broken")
    broken.create()
    broken.plan.write_text("{")

    report = reap(chosen(home, (), anywhere=False), (), Silent())
    assert {one.stack: one.outcome for one in report.stacks} == {
        "due": "not-due",
        "lasting": "no-deadline",
        "broken": "failed",
    }
    assert exit_code(report) == ExitCode.FAILED
    shutil.rmtree(broken.folder)

    later = made.until
    with hold(made.home, "up"):
        report = reap(chosen(home, (), anywhere=False), (), Silent(), now=later)
    assert [one.outcome for one in report.stacks] == ["locked", "no-deadline"]
    assert (report.ok, exit_code(report)) == (False, ExitCode.LOCKED)

    report = reap(chosen(home, (), anywhere=False), (), Silent(), now=later)
    assert [one.outcome for one in report.stacks] == ["taken-down", "no-deadline"]
    assert (report.ok, exit_code(report)) == (True, ExitCode.OK)
    assert Path(report.stacks[0].certificate).is_file()
    assert sweep.tagged(made.session, "due") == ()
    assert [one.outcome for one in reap(chosen(home, (), anywhere=False), (), Silent(), now=later).stacks] == [
        "no-deadline"
    ]


def test_a_lost_stack_is_found_by_its_tags_and_taken_down(make: Callable[..., Made], tmp_path: Path) -> None:
    made = make("forgotten", ttl="1h")
    shutil.rmtree(made.home.folder)
    accounts = accounts_of([REGION])
    nobody = Home(tmp_path / "elsewhere")

    early = reap(chosen(nobody, ("forgotten",), anywhere=True), accounts, Silent(), only=("forgotten",))
    assert [(one.stack, one.where, one.until, one.outcome) for one in early.stacks] == [
        ("forgotten", REGION, made.until, "not-due")
    ]
    assert len(sweep.tagged(made.session, "forgotten")) > 10

    report = reap((), accounts, Silent(), only=("forgotten",), now=made.until)
    assert [(one.stack, one.outcome, one.leftovers) for one in report.stacks] == [("forgotten", "taken-down", ())]
    assert sweep.tagged(made.session, "forgotten") == ()
    assert reap((), accounts, Silent(), only=("forgotten",), now=made.until).stacks == ()


def test_a_region_that_does_not_answer_is_told_and_stops_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("lifecycle.aws.session._ATTEMPTS", 1)
    silent = AwsSession("eu-north-1")
    assert silent.client("autoscaling")
    assert silent.client("resourcegroupstaggingapi")
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    report = reap((), (silent, AwsSession(REGION)), Silent(), only=("nothing-of-that-name",))
    (failed,) = report.stacks
    assert (failed.where, failed.outcome) == ("eu-north-1", "failed")
    assert "autoscaling:DescribeAutoScalingGroups" in failed.message
    assert exit_code(report) == ExitCode.FAILED


def test_a_stack_that_was_never_finished_is_found_as_well(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """No group was made yet: endpoints alone cost money too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    session = AwsSession(REGION)
    tags = {"cloister:stack": "begun", "cloister:until": "2026-01-01T00:00:00Z"}
    listed: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
    session.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": listed}])
    report = reap((), (session,), Silent(), only=("begun",))
    assert [one.outcome for one in report.stacks] == ["taken-down"]
    assert sweep.tagged(session, "begun") == ()


def test_a_tag_that_tells_no_moment_is_no_deadline(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    session = AwsSession(REGION)
    for number, until in enumerate(("soon", "2026-01-01", "")):
        tags: Any = [{"Key": "cloister:stack", "Value": f"odd-{number}"}, {"Key": "cloister:until", "Value": until}]
        session.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
    assert not [stack for stack in deadlines(session) if stack.startswith("odd-")]
    for number in range(3):
        sweep.delete(session, sweep.tagged(session, f"odd-{number}"))


def test_a_later_tag_counts_while_a_deadline_is_moved(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    session = AwsSession(REGION)
    for until in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T12:00:00Z"):
        tags: Any = [{"Key": "cloister:stack", "Value": "moving"}, {"Key": "cloister:until", "Value": until}]
        session.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
    assert deadlines(session)["moving"] == datetime(2026, 1, 2, tzinfo=UTC)
    sweep.delete(session, sweep.tagged(session, "moving"))


def test_a_node_of_a_group_is_no_drift(make: Callable[..., Made]) -> None:
    made = make("undrifted", ttl="2h")
    place = Place(made.session, ACCOUNT_ID, "undrifted")
    provisioner = Provisioner(made.plan, made.home, Silent())
    assert added_by_hand(place, provisioner.resources()) == ((), ())
    assert provisioner.drift() == ()
    ec2 = made.session.ec2
    image = ec2.describe_instances(InstanceIds=[made.outputs.nodes[0].instance_id])["Reservations"][0]["Instances"][0]
    tags: Any = [{"ResourceType": "instance", "Tags": [{"Key": "cloister:stack", "Value": "undrifted"}]}]
    strange = ec2.run_instances(
        ImageId=image["ImageId"], InstanceType="m5.large", MinCount=1, MaxCount=1, TagSpecifications=tags
    )["Instances"][0]["InstanceId"]
    (added, *_), _ = added_by_hand(place, provisioner.resources())
    assert (added.kind, added.id) == ("instance", strange)
