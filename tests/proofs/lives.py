"""The life of a stack in the emulated account, recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from lifecycle.rehearsal.given import make_given, renamed
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import AwsSection, Profile
from planner.progress import Silent
from planner.resources import Resource
from tests.proofs.recorder import Call, recording
from tests.sandbox.aws.account import Account

STACK = "golden"
"""No part of it is looked for in answers, so that it may be common to all lives: each ends before the next begins."""


Change = Callable[[Plan], Plan]
"""What is to be otherwise than planned."""


GIVEN = "given-network"
"""The life of a stack in a company's own network."""


@dataclass(frozen=True)
class Life:
    """What a fresh `up` sent, and what it made.

    Attributes:
        given: id of what the account's owner gave -> its id in the profile.

    """

    plan: Plan
    calls: Sequence[Call]
    resources: tuple[Resource, ...]
    given: Mapping[str, str] = field(default_factory=dict)


def profile_with(name: str, **aws: Any) -> Profile:
    """Return a shipped profile, with other fields in its `[aws]` section."""
    profile = load_profile(name)
    return msgspec.structs.replace(profile, aws=AwsSection(**aws)) if aws else profile


def given_profile() -> Profile:
    """Return the profile of a stack in a company's own network, by ids that no emulated account has."""
    return load_profile(str(Path(__file__).with_name("given.toml")))


def fresh_guest(account: Account, folder: Path) -> Life:
    """Bring a stack up for the first time in a company's own network, and take it away again; the network stays."""
    profile = given_profile()
    plan = make_plan(profile, load_catalogue(), Site(stack=STACK))
    ids = make_given(plan, account.clients())
    life = fresh_up(profile, account, folder, lambda plan: renamed(plan, ids))
    return replace(life, given={made: named for named, made in ids.items()})


def same(plan: Plan) -> Plan:
    """Change nothing."""
    return plan


def provisioner(profile: Profile, account: Account, folder: Path, change: Change = same) -> Provisioner:
    """Return what makes a profile's stack in the account."""
    port = urlsplit(account.url).port
    assert port is not None
    plan = make_plan(profile, load_catalogue(), Site(stack=STACK, ports={"aws.http": port}))
    home = Home(folder).stack(STACK)
    home.folder.mkdir(parents=True)
    return Provisioner(change(plan), home, Silent())


def fresh_up(
    profile: Profile,
    account: Account,
    folder: Path,
    change: Change = same,
) -> Life:
    """Bring a profile's stack up for the first time, and take it away again."""
    made = provisioner(profile, account, folder, change=change)
    try:
        with recording() as calls:
            made.up()
        return Life(plan=made.plan, calls=tuple(calls), resources=made.resources())
    finally:
        made.destroy()
