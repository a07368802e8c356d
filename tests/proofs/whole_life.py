"""All that the verbs may ask of an account: made, made again, changed, looked at, crashed, lost, taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from lifecycle import reap, sweep, switches
from lifecycle.aws import capacity
from lifecycle.aws.account import check_account
from lifecycle.aws.preflight import room_for
from lifecycle.aws.secrets import put_host_secrets
from lifecycle.aws.session import AwsSession
from lifecycle.bundle.check import seal
from lifecycle.bundle.push import push
from lifecycle.drift import added_by_hand
from lifecycle.exposure.verb import prove_account
from lifecycle.home import Home
from lifecycle.provision import Provisioner
from lifecycle.sweeping import baseline
from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import machine_ids
from lifecycle.sweeping.swept import sweep as sweep_place
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import Profile
from planner.progress import Silent
from planner.tags import STACK_TAG
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.handlers.registry import default_registry
from tests.bundle.folders import MIB, make
from tests.lifecycle.sweeping.makers import MAKERS, Maker
from tests.proofs.lives import STACK, Change, same
from tests.proofs.recorder import recording
from tests.sandbox.aws.account import Account
from tests.sandbox.aws.settings import lead_aws

PART = 5 * MIB
"""The shortest that S3 takes: a file of 12 MiB goes in three."""
ALONG_WITH_OTHERS = {"auto-scaling-group", "kms-key", "launch-template", "schedule-group", "snapshot"}
"""Kinds that the makers of others make."""
Seen = dict[str, set[str]]
"""Verb -> the operations that it was seen to call."""


@dataclass(frozen=True)
class Wanted:
    """A stack whose life is lived.

    Attributes:
        profile: what it is made from.
        name: of the profile, for the verbs that read it themselves.
        lifetime: how long it may live; None for as long as it is wanted.
        change: what is to be otherwise than planned.

    """

    profile: Profile
    name: str = "2xh200"
    lifetime: Lifetime | None = None
    change: Change = same

    def plan(self, port: int, *, longer: bool = False) -> Plan:
        """Return the plan; with a later deadline, if it has one."""
        lifetime = self.lifetime
        if lifetime and lifetime.until and longer:
            lifetime = msgspec.structs.replace(lifetime, until=lifetime.until + timedelta(hours=1))
        site = Site(stack=STACK, ports={"aws.http": port}, lifetime=lifetime)
        return self.change(make_plan(self.profile, load_catalogue(), site))


def whole_life(wanted: Wanted, account: Account, folder: Path) -> Seen:
    """Live through it, and return what each verb called."""
    with signed_in(account):
        return _Life(wanted, account, folder).live()


@contextmanager
def signed_in(account: Account) -> Iterator[None]:
    """Lead whatever uses boto3 to the account."""
    with pytest.MonkeyPatch.context() as patch:
        lead_aws(patch, account.url)
        yield


def operations(work: Callable[[], object]) -> set[str]:
    """Return what is called while something is done."""
    with recording() as calls:
        work()
    return {call.name for call in calls}


class _Life:
    def __init__(self, wanted: Wanted, account: Account, folder: Path) -> None:
        port = urlsplit(account.url).port
        assert port is not None
        self.wanted, self.account, self.folder, self.port = wanted, account, folder, port

    def live(self) -> Seen:
        made = self._provisioner("first")
        seen = {
            "up": operations(lambda: self._up(made)),
            "verify": operations(lambda: self._verify(made)),
            "drift": operations(lambda: self._drift(made)),
            "bundle push": operations(self._push),
        }
        if made.plan.deadline:
            seen["extend"] = operations(lambda: self._extend(made))
        seen["down"] = operations(lambda: self._down(made))
        lost = self._provisioner("lost")
        lost.up()
        _fill(lost)
        seen["sweep"] = operations(lambda: self._sweep(lost))
        lost.destroy()
        return seen

    def _provisioner(self, name: str) -> Provisioner:
        home = Home(self.folder / name).stack(STACK)
        home.folder.mkdir(parents=True)
        return Provisioner(self.wanted.plan(self.port), home, Silent())

    def _place(self) -> Place:
        return Place(self.account.clients(), ACCOUNT_ID, STACK)

    def _up(self, made: Provisioner) -> None:
        """Check what is checked beforehand; make, find unchanged, change in place, and find what a crash left."""
        session = AwsSession(made.plan.network.region)
        check_account(session, "")
        room_for(session, made.plan, launched=(), now=datetime.now(UTC))
        baseline.ensure(made.home.baseline, self._place())
        made.up()
        made.up()
        self._put_secrets(session, made.plan)
        planned = made.plan
        spot = tuple(msgspec.structs.replace(node, capacity="spot") for node in planned.nodes)
        changed = msgspec.structs.replace(planned, tags={**planned.tags, "added": "later"}, nodes=spot)
        for plan in (changed, planned):
            made.plan = plan
            made.up()
        registry, clients = default_registry(), made.clients()
        for resource in made.resources():
            if resource.id:
                registry[resource.type].find(clients, dict(resource.inputs))

    def _put_secrets(self, session: AwsSession, plan: Plan) -> None:
        """Give hosts their secrets: for the first time, changed, and as they were before."""
        names = [secret.name for secret in plan.secrets if secret.on_hosts]
        assert names
        for value in (b"first", b"second", b"first"):
            put_host_secrets(session.client("secretsmanager"), plan, dict.fromkeys(names, value))

    def _verify(self, made: Provisioner) -> None:
        given = made.plan.network.given
        own = [resource.id for resource in made.resources() if resource.type == "aws:ec2/vpc:Vpc"]
        (vpc,) = [given.vpc_id] if given else own
        prove_account(made.clients(), vpc, made.plan)

    def _drift(self, made: Provisioner) -> None:
        made.drift()
        added_by_hand(self._place(), made.resources())

    def _push(self) -> None:
        """Push a bundle, push it again, go on with an upload that was interrupted, and drop one that cannot be."""
        home, folder = Home(self.folder / "pusher"), make(self.folder / "bundle")
        seal(home, folder, {}, Silent())
        for _ in range(2):
            push(home, folder, self.wanted.name, STACK, Silent(), part=PART, connections=1)

    def _extend(self, made: Provisioner) -> None:
        made.plan = self.wanted.plan(self.port, longer=True)
        switches.move(made.clients(), made.plan, Silent())
        made.up()

    def _down(self, made: Provisioner) -> None:
        machine_ids(self._place())
        _fill(made)
        made.destroy()
        sweep_place(self._place(), Silent(), delete=True)

    def _sweep(self, lost: Provisioner) -> None:
        """Delete what no state knows."""
        reap.deadlines(lost.clients())
        for _ in range(2):
            sweep.delete(lost.clients(), sweep.tagged(lost.clients(), STACK))


def sweep_of_everything(account: Account) -> set[str]:
    """Return what a sweep calls that finds one of every kind with the stack's tag, and deletes it."""
    maker = Maker(account.clients().client, STACK, {STACK_TAG: STACK})
    for kind in sorted(MAKERS.keys() - ALONG_WITH_OTHERS):
        MAKERS[kind](maker)
    return operations(
        lambda: sweep_place(Place(account.clients(), ACCOUNT_ID, STACK), Silent(), delete=True, within_s=60)
    )


def purchases(account: Account, region: str) -> tuple[set[str], set[str]]:
    """Return what is called to look for a Capacity Block, and what to buy and extend it."""
    with signed_in(account):
        search = capacity.Search(instance_type="p5en.48xlarge", count=1, hours=24)
        with recording() as looking:
            (first, *_) = capacity.find(AwsSession(region), search)
        now = datetime.now(UTC)
        with recording() as buying:
            session = AwsSession(region)
            held = capacity.buy(session, first, {STACK_TAG: STACK})
            (more, *_) = capacity.extensions(session, held, 24, now)
            capacity.extend(session, more)
    return {call.name for call in looking}, {call.name for call in buying}


def _fill(made: Provisioner) -> None:
    """Put something into the bucket, and begin another thing: deleting the bucket has to face both."""
    bucket = next(resource.id for resource in made.resources() if resource.type == "aws:s3/bucket:Bucket")
    s3 = made.clients().client("s3")
    s3.put_object(Bucket=bucket, Key="manifest.json", Body=b"{}")
    s3.create_multipart_upload(Bucket=bucket, Key="weights")
