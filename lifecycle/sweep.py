"""`sweep`: what is left of stacks, in the account of one or in a region of one's own; deleted only if told so."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lifecycle import teardown_certificate
from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.home import STACK_NAME, Home, StackHome
from lifecycle.stack import Stack
from lifecycle.sweeping.clearing import PATIENCE_S, clear
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import apart, look
from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import Remaining, Swept, stacks_of
from lifecycle.sweeping.swept import sweep as sweep_place
from lifecycle.teardown_certificate import Certificate
from planner.errors import DeployError, UsageError
from planner.progress import Progress, Silent
from sandbox.handlers.base import Clients

EMULATED_PATIENCE_S = 60.0
"""How long the emulated account's releases are waited for: a fraction of a second is what they take."""
_EVERYWHERE = frozenset(kind.name for kind in KINDS if kind.everywhere)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that carries a stack's tag."""

    kind: str
    id: str
    stack: str


class StackFound(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one stack.

    Attributes:
        in_use: the stack has its folder on this machine: `deploy down` takes it away, and nothing of it is left over.
        elsewhere: it has nothing in the region but what belongs to no region: it may be in use in another one.

    """

    stack: str
    in_use: bool
    elsewhere: bool
    things: tuple[Remaining, ...]
    usd_per_month: float


class SweepReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `sweep` found, and what it deleted.

    Attributes:
        ok: everything was looked at, and nothing is left of any stack that is not in use.
        looked: what was looked at, in the end.
        stacks: what there is, stack by stack, in the end.
        swept: what was deleted, stack by stack; empty unless told to delete.
        certificates: their files (JSON), one for each stack that was deleted.

    """

    ok: bool
    account: str
    region: str
    looked: Swept
    stacks: tuple[StackFound, ...]
    swept: tuple[Swept, ...] = ()
    certificates: tuple[str, ...] = ()
    seconds: float

    @property
    def leftovers(self) -> tuple[StackFound, ...]:
        """Stacks of which something is left."""
        return tuple(one for one in self.stacks if not one.in_use and not one.elsewhere)


def place_of(home: StackHome, region: str, *, all_stacks: bool) -> Place:
    """Return where to look.

    Args:
        home: the stack's; its account is asked unless a region is given.
        region: of the account that the person's own credentials lead to; empty for the stack's own account.
        all_stacks: look for what any stack left.

    Raises:
        DeployError: the account does not answer, is another than the stack's, or nobody says which region.

    """
    name = None if all_stacks else home.name
    if region or not home.plan.is_file():
        session = AwsSession(region or _own_region())
        return Place(session, check_account(session, "").account, name)
    return replace(place_of_stack(Stack.load(home)), stack=name)


def place_of_stack(stack: Stack) -> Place:
    """Return the account and region that a stack is in.

    Raises:
        DeployError: an emulated account that does not run, or credentials of another account than the plan names.

    """
    provisioner, region = stack.provisioner(), stack.plan.network.region
    if not provisioner.account_answers():
        raise DeployError(
            f"the emulated account of stack {stack.plan.stack!r} does not run: what it held ended with it",
            hint=f"`deploy up --stack {stack.plan.stack}` makes it again; `deploy sweep --region REGION` looks in the "
            "account that your AWS credentials lead to.",
            code="account_not_running",
        )
    if stack.plan.target == "aws":
        check_account(AwsSession(region), stack.plan.account.number)
    clients = provisioner.clients()
    return Place(clients, account_of(clients), stack.plan.stack)


def sweep(home: Home, place: Place, progress: Progress) -> SweepReport:
    """Look, and change nothing."""
    started = time.monotonic()
    with progress.step(f"account {place.account}, {place.region}"):
        looked = sweep_place(place, progress)
    return _report(home, looked, (), (), started)


def take_away(home: Home, place: Place, stacks: Iterable[str], progress: Progress) -> SweepReport:
    """Delete what is left of stacks, write a certificate for each, and look again.

    Args:
        home: where stacks of this machine live: one that has a folder is never touched.
        place: where, and whose things are looked for.
        stacks: names, as a report's `leftovers` has them.
        progress: told what is waited for.

    Raises:
        DeployError: a stack is in use on this machine.

    """
    started = time.monotonic()
    swept: list[Swept] = []
    written: list[str] = []
    for name in stacks:
        if not STACK_NAME.match(name):
            raise UsageError(f"{name!r} is no name for a stack", hint="It was tagged by hand: delete it by hand.")
        if home.stack(name).exists:
            raise DeployError(
                f"stack {name!r} is in use on this machine",
                hint=f"`deploy down --stack {name}` takes it away.",
                code="stack_in_use",
            )
        begun = datetime.now(UTC)
        with progress.step(f"stack {name}"):
            swept.append(sweep_place(replace(place, stack=name), progress, delete=True))
        written.append(str(_certify(home.stack(name), begun, swept[-1])))
    with progress.step("proof"):
        looked = sweep_place(place, progress)
    return _report(home, looked, tuple(swept), tuple(written), started)


def tagged(clients: Clients, stack: str) -> tuple[Found, ...]:
    """Return everything that carries the stack's tag and does not go with something else that does.

    Raises:
        DeployError: something could not be looked at.

    """
    place = Place(clients, account_of(clients), stack)
    looked = look(place)
    if why := [one.why_not for one in looked if one.why_not]:
        raise DeployError(f"not everything could be looked at: {'; '.join(why)}", hint="", code="not_looked_at")
    mine = [thing for one in looked for thing in one.of(place) if thing.gone_on is None]
    return tuple(Found(kind=one.kind, id=one.id, stack=stack) for one in apart(mine))


def delete(
    clients: Clients, found: Iterable[Found], progress: Progress | None = None, within_s: float = EMULATED_PATIENCE_S
) -> tuple[Found, ...]:
    """Delete what `tagged` found and all that goes with it, with a bound in seconds; return what is gone of it."""
    found, gone = tuple(found), set()
    for stack in {one.stack for one in found}:
        place = Place(clients, account_of(clients), stack)
        things = [thing for one in look(place) for thing in one.of(place)]
        cleared = clear(place, things, progress or Silent(), within_s)
        gone |= {thing.key for thing in cleared.deleted}
    return tuple(one for one in found if (one.kind, one.id) in gone)


def patience_of(target: str) -> float:
    """Return how long a target's asynchronous releases are waited for, in seconds."""
    return EMULATED_PATIENCE_S if target == "sandbox" else PATIENCE_S


def account_of(clients: Clients) -> str:
    """Return the number of the account that clients ask."""
    return str(clients.client("sts").get_caller_identity()["Account"])


def _report(
    home: Home, looked: Swept, swept: tuple[Swept, ...], certificates: tuple[str, ...], started: float
) -> SweepReport:
    stacks = tuple(_of_stack(home, looked, name) for name in stacks_of(looked.left))
    loose = [thing for thing in looked.left if not thing.stack]
    report = SweepReport(
        ok=False,
        account=looked.account,
        region=looked.region,
        looked=looked,
        stacks=stacks,
        swept=swept,
        certificates=certificates,
        seconds=round(time.monotonic() - started, 2),
    )
    return msgspec.structs.replace(report, ok=not (report.leftovers or loose or looked.not_looked_at))


def _of_stack(home: Home, looked: Swept, name: str) -> StackFound:
    things = tuple(thing for thing in looked.left if thing.stack == name)
    return StackFound(
        stack=name,
        in_use=bool(STACK_NAME.match(name)) and home.stack(name).exists,
        elsewhere=not looked.stack and all(thing.kind in _EVERYWHERE for thing in things),
        things=things,
        usd_per_month=round(sum(thing.usd_per_month or 0 for thing in things), 2),
    )


def _certify(home: StackHome, begun: datetime, swept: Swept) -> Path:
    """Write the certificate of a stack that was swept."""
    return teardown_certificate.write(
        home,
        Certificate(
            stack=swept.stack,
            profile="",
            begun_at=begun.isoformat(timespec="seconds"),
            ended_at=swept.at.isoformat(timespec="seconds"),
            removed=teardown_certificate.removed_by(swept),
            leftovers=teardown_certificate.leftovers_of(swept),
            looked=(teardown_certificate.sentence(swept),),
            remarks=(),
            swept=swept,
        ),
    )


def _own_region() -> str:
    """Return the region of the person's own settings.

    Raises:
        UsageError: they name none.

    """
    import boto3.session  # noqa: PLC0415 - takes a third of a second, which most commands can do without

    region = boto3.session.Session().region_name
    if not region:
        raise UsageError(
            "nobody says which region to look in", hint="Give --region, for example us-east-2.", code="no_region"
        )
    return str(region)
