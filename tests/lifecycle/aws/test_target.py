"""The aws target: `up`, `status` and `down` in the right account or not at all, and only what was agreed to."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import down as downs
from lifecycle import engines, sweep, up_aws
from lifecycle.aws.session import AwsSession
from lifecycle.down_report import DownReport
from lifecycle.exposure.verb import exposure_of_account
from lifecycle.extend import Longer, extend
from lifecycle.home import Home, StackHome
from lifecycle.journal import read
from lifecycle.planning import Request
from lifecycle.stack import Stack
from lifecycle.status import list_stacks, status
from lifecycle.up import up
from lifecycle.up_report import UpReport
from planner.errors import DeployError
from planner.progress import Silent
from tests.lifecycle.aws.target import Agreeing, handlers, profile

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")
OTHER = "210987654321"


class Aws:
    """One stack, and the emulated account as it sees it."""

    def __init__(self, folder: Path, session: AwsSession) -> None:
        self.folder = folder
        self.session = session
        self.home: StackHome = Home(folder / "home").stack(f"t-{uuid.uuid4().hex[:8]}")

    def up(self, agree: Agreeing | None = None, **request: Any) -> UpReport:
        asked = Request(**{"profile": "2xh200", "target": "aws", **request})
        return up(self.home, asked, Silent(), agree=agree or Agreeing())

    def brought_up(self, agree: Agreeing | None = None, **request: Any) -> DeployError:
        """Bring up all that there is to bring up as yet."""
        with pytest.raises(DeployError) as stopped:
            self.up(agree, **request)
        assert stopped.value.code == "not_configured", stopped.value
        return stopped.value

    def down(self) -> DownReport:
        return downs.down(self.home, Silent())

    def left(self) -> tuple[sweep.Found, ...]:
        return sweep.tagged(self.session, self.home.name)

    def move_to(self, account: str) -> None:
        """Make the stack one of another account."""
        for path in (self.home.plan, self.home.folder / "request.json"):
            path.write_text(path.read_text().replace("123456789012", account))


@pytest.fixture
def aws(tmp_path: Path, emulated: AwsSession, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(engines.ENGINES, "aws", handlers)
    made = Aws(tmp_path, emulated)
    yield made
    sweep.delete(emulated, made.left())


@pytest.mark.slow
def test_the_life_of_a_stack(aws: Aws) -> None:
    agree = Agreeing()
    stopped = aws.brought_up(agree)
    (shown,) = agree.shown
    assert shown.plan.account.number == "123456789012"
    assert (shown.bill.usd_per_hour, shown.bill.ends) == (63.296, False)
    assert shown.room is not None
    assert shown.room.zones == ("us-east-2a",)
    said = dict(stopped.details)
    assert "account 123456789012" in said["made"]
    assert "i-" in said["nodes"]
    assert said["not yet"].startswith("engine, gateway, traefik")

    report = status(aws.home)
    assert (report.state, report.account, report.region) == ("not-configured", "123456789012", "us-east-2")
    assert [(node.name, node.state) for node in report.nodes] == [("node-0", "running")]
    assert (report.endpoint, report.services, report.usd_per_hour) == (None, (), 63.296)
    assert [(one.stack, one.target, one.url) for one in list_stacks(aws.home.home)] == [(aws.home.name, "aws", "")]
    proof = exposure_of_account(Stack.load(aws.home).plan, aws.home, Silent())
    assert (proof.of, proof.stack, proof.ok) == ("account", aws.home.name, True)
    with pytest.raises(DeployError, match="there is no endpoint"):
        Stack.load(aws.home).processes.status()

    aws.brought_up(agree, profile="", target="")
    assert set(agree.shown[-1].changes) == {"same"}
    assert agree.shown[-1].room is not None
    assert agree.shown[-1].room.nodes == ()

    gone = aws.down()
    assert (gone.ok, aws.left(), aws.home.exists) == (True, (), False)
    certificate = Path(gone.certificate).read_text()
    assert "account 123456789012, us-east-2" in certificate
    assert "emulated" not in certificate


@pytest.mark.slow
def test_a_node_that_aws_took_is_agreed_to_before_it_is_made_again(aws: Aws) -> None:
    aws.brought_up()
    (node,) = status(aws.home).nodes
    aws.session.ec2.terminate_instances(InstanceIds=[node.instance_id])
    report = status(aws.home)
    assert (report.state, report.usd_per_hour) == ("stopped", 0.0)
    assert [(one.name, one.state) for one in report.nodes] == [("node-0", "gone")]
    agree = Agreeing(answer=False)
    with pytest.raises(DeployError, match="not agreed"):
        aws.up(agree)
    assert agree.shown[0].changes["create"] == 1
    assert agree.shown[0].room is not None
    assert agree.shown[0].room.nodes == ("node-0",)
    assert status(aws.home).state == "stopped"


@pytest.mark.slow
def test_no_verb_works_in_another_account(aws: Aws) -> None:
    aws.brought_up()
    there = aws.left()
    aws.move_to(OTHER)
    agree = Agreeing()
    verbs: tuple[Callable[[], object], ...] = (
        lambda: aws.up(agree),
        lambda: status(aws.home),
        lambda: exposure_of_account(Stack.load(aws.home).plan, aws.home, Silent()),
        lambda: extend(aws.home, Longer(ttl="8h"), Silent()),
        aws.down,
    )
    for verb in verbs:
        with pytest.raises(DeployError) as refused:
            verb()
        assert refused.value.code == "wrong_account"
        assert OTHER in refused.value.message
    assert (agree.shown, aws.left(), aws.home.exists) == ([], there, True)


def test_a_profile_of_another_account_is_refused_before_anything(aws: Aws) -> None:
    with pytest.raises(DeployError) as refused:
        aws.up(profile=profile(aws.folder, f'[aws]\naccount = "{OTHER}"\n'))
    assert refused.value.code == "wrong_account"
    assert not aws.home.exists


def test_nothing_is_made_that_nobody_agreed_to(aws: Aws) -> None:
    with pytest.raises(DeployError) as refused:
        aws.up(Agreeing(answer=False))
    assert refused.value.code == "not_agreed"
    assert (aws.left(), aws.home.plan.exists()) == ((), False)


@pytest.mark.parametrize(
    ("wish", "code", "words"),
    [
        ('purpose = "proof-of-concept"\n[aws]\ncapacity = "spot"\n', "quota_too_low", "L-C4BD4855"),
        (
            '[aws]\ncapacity = "reservation"\nreservation_id = "cr-0123456789abcdef0"\n',
            "aws_refused",
            "cr-0123456789abcdef0",
        ),
    ],
)
def test_what_the_account_has_no_room_for_is_not_begun(aws: Aws, wish: str, code: str, words: str) -> None:
    agree = Agreeing()
    with pytest.raises(DeployError, match=words) as refused:
        aws.up(agree, profile=profile(aws.folder, wish))
    assert (refused.value.code, agree.shown, aws.left()) == (code, [], ())


def test_a_missing_engine_is_said_before_anybody_agrees(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "aws", engines.real_on_aws)
    monkeypatch.setenv("PATH", str(aws.folder))
    agree = Agreeing()
    with pytest.raises(DeployError) as refused:
        aws.up(agree)
    assert (refused.value.code, agree.shown) == ("pulumi_missing", [])


@pytest.mark.slow
def test_services_that_are_configured_are_reported(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up_aws, "configure_nodes", lambda stack, *_: (stack.plan.model.served_name,))
    report = aws.up()
    assert (report.target, report.url) == ("aws", f"https://{aws.home.name}.cloister.internal")
    assert report.models == ("qwen3-235b-a22b-fp8",)
    assert report.changes == {"create": sum(report.changes.values())}


@pytest.mark.slow
def test_what_failed_to_be_deleted_is_never_called_gone(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.brought_up()

    def fails(*_: Any) -> Any:
        raise DeployError("the engine is gone")

    with monkeypatch.context() as broken:
        broken.setattr(sweep, "tagged", fails)
        broken.setattr("lifecycle.provision.Provisioner.destroy", fails)
        report = aws.down()
    assert (report.ok, {one.kind for one in report.leftovers}) == (False, {"unknown"})
    assert aws.home.exists


@pytest.mark.slow
def test_a_stack_stays_what_and_where_it_is(aws: Aws) -> None:
    aws.brought_up()
    with pytest.raises(DeployError) as refused:
        aws.up(target="sandbox")
    assert refused.value.code == "other_target"
    with pytest.raises(DeployError) as refused:
        aws.up(profile=profile(aws.folder, '[aws]\nregion = "us-west-2"\n'))
    assert refused.value.code == "other_region"


def test_a_plan_that_cannot_be_read_is_no_reason_to_forget_an_account(aws: Aws) -> None:
    aws.home.create()
    (aws.home.folder / "pulumi").mkdir()
    aws.home.plan.write_text("{")
    with pytest.raises(DeployError) as refused:
        aws.down()
    assert (refused.value.code, aws.home.exists) == ("plan_unreadable", True)


def test_the_journal_names_the_account(aws: Aws) -> None:
    aws.brought_up()
    entries, _ = read(aws.home.journal)
    told = [(entry.step, entry.phase, entry.detail) for entry in entries]
    assert ("resources", "begin", "account 123456789012") in told
    assert any(step == "services on the nodes" and phase == "failed" for step, phase, _ in told)
    assert msgspec.json.decode(aws.home.plan.read_bytes())["account"]["number"] == "123456789012"
