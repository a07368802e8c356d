"""`reap`: what should be gone by now is taken down, whether this machine knows of it or only its tags tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from lifecycle import sweep, switches
from lifecycle.aws.asking import ask_all
from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from lifecycle.down import down
from lifecycle.home import Home, StackHome
from lifecycle.stack import Stack
from lifecycle.teardown_certificate import Leftover
from planner.errors import DeployError, ExitCode, LockedError
from planner.progress import Progress
from planner.tags import STACK_TAG, UNTIL_TAG
from sandbox.handlers.base import Clients

Outcome = Literal["taken-down", "not-due", "no-deadline", "locked", "left", "failed"]
PASSES = 3
"""How often what carries an expired stack's tag is looked for and deleted: what others wait for goes first."""


class Reaped(msgspec.Struct, frozen=True, kw_only=True):
    """One stack that was looked at.

    Attributes:
        where: `here` for a stack of this machine, else the region whose tags tell of it.
        until: its deadline; None where it has none.
        message: what went wrong, where something did.

    """

    stack: str
    where: str
    until: datetime | None
    outcome: Outcome
    leftovers: tuple[Leftover, ...] = ()
    certificate: str = ""
    message: str = ""


class ReapReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every stack that was looked at. `ok`: none that is due is left."""

    ok: bool
    stacks: tuple[Reaped, ...]


def reap(
    stacks: Iterable[StackHome],
    accounts: Sequence[Clients],
    progress: Progress,
    *,
    only: Sequence[str] = (),
    now: datetime | None = None,
) -> ReapReport:
    """Take down every stack whose deadline has passed. Again and again is fine; one that is locked waits for the next.

    Args:
        stacks: of this machine.
        accounts: clients of regions in which stacks are looked for by their tags; those of `stacks` are left out.
        progress: told about each step.
        only: names of the stacks to look for; all where there are none.
        now: the present moment; the clock's where it is None.

    """
    now = now or datetime.now(UTC)
    here = tuple(_reap_here(home, progress, now) for home in stacks)
    known = {one.stack for one in here if one.until is not None}
    there = (one for clients in accounts for one in _reap_account(clients, progress, now, known=known, only=only))
    outcomes = (*here, *there)
    return ReapReport(
        ok=all(one.outcome in {"taken-down", "not-due", "no-deadline"} for one in outcomes), stacks=outcomes
    )


def chosen(home: Home, names: Sequence[str], *, anywhere: bool) -> tuple[StackHome, ...]:
    """Return the homes of these stacks, of all where none is named.

    Args:
        home: of all stacks.
        names: of stacks.
        anywhere: they are looked for elsewhere as well, so that it is no error when one is not here.

    """
    if not names:
        return tuple(home.stacks())
    homes = tuple(home.stack(name) for name in names)
    return tuple(one for one in homes if one.exists) if anywhere else homes


def accounts_of(regions: Iterable[str]) -> tuple[AwsSession, ...]:
    """Return clients of these regions, in the account that the person's credentials lead to."""
    return tuple(AwsSession(region) for region in regions)


def exit_code(report: ReapReport) -> ExitCode:
    """Return what a script is told: the worst of what happened."""
    outcomes = {one.outcome for one in report.stacks}
    worst: tuple[tuple[Outcome, ExitCode], ...] = (
        ("failed", ExitCode.FAILED),
        ("left", ExitCode.LEFTOVERS),
        ("locked", ExitCode.LOCKED),
    )
    return next((code for outcome, code in worst if outcome in outcomes), ExitCode.OK)


def _reap_here(home: StackHome, progress: Progress, now: datetime) -> Reaped:
    """Take down one stack of this machine, if it is due."""
    until: datetime | None = None
    try:
        deadline = Stack.load(home, progress).plan.deadline
        until = deadline.until if deadline else None
        if until is None or until > now:
            return Reaped(stack=home.name, where="here", until=until, outcome="not-due" if until else "no-deadline")
        with progress.step(f"stack {home.name}"):
            report = down(home, progress)
    except LockedError as error:
        return Reaped(stack=home.name, where="here", until=until, outcome="locked", message=error.message)
    except DeployError as error:
        return Reaped(stack=home.name, where="here", until=until, outcome="failed", message=error.message)
    return Reaped(
        stack=home.name,
        where="here",
        until=until,
        outcome="taken-down" if report.ok else "left",
        leftovers=report.leftovers,
        certificate=report.certificate,
    )


def deadlines(clients: Clients) -> dict[str, datetime]:
    """Return the deadline of each stack that has one, as the tags in a region tell it.

    While a deadline is moved, resources tell two: the later one counts, because it is the one that was asked for.
    """
    found: dict[str, datetime] = {}
    for tags in _tagged(clients):
        if (stack := tags.get(STACK_TAG)) and (until := _read(tags.get(UNTIL_TAG, ""))):
            found[stack] = max(until, found.get(stack, until))
    return found


def _read(text: str) -> datetime | None:
    """Read a deadline from a tag; None for what is none: a tag can be changed by hand."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else None


def _tagged(clients: Clients) -> Iterable[dict[str, str]]:
    """Yield the tags of each resource that tells a deadline: groups, and what the tagging API lists."""
    having = [{"Name": "tag-key", "Values": [UNTIL_TAG]}]
    for group in ask_all(clients, "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", Filters=having):
        yield _plain(group["Tags"])
    tagging, key = "resourcegroupstaggingapi", [{"Key": UNTIL_TAG}]
    for mapping in ask_all(clients, tagging, "get_resources", "ResourceTagMappingList", TagFilters=key):
        yield _plain(mapping["Tags"])


def _plain(tags: Iterable[Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _reap_account(
    clients: Clients, progress: Progress, now: datetime, *, known: Collection[str], only: Sequence[str]
) -> Iterator[Reaped]:
    """Take down what is due in a region, but for the stacks that are known here; what fails does not stop the rest."""
    try:
        found = sorted(deadlines(clients).items())
    except DeployError as error:
        yield Reaped(stack="", where=clients.region, until=None, outcome="failed", message=error.message)
        return
    for stack, until in found:
        if stack in known or (only and stack not in only):
            continue
        try:
            with told(f"sweep of {stack}", clients.region):
                reaped = _reap_there(clients, stack, until, progress, now)
        except DeployError as error:
            reaped = Reaped(stack=stack, where=clients.region, until=until, outcome="failed", message=error.message)
        if reaped is not None:
            yield reaped


def _reap_there(clients: Clients, stack: str, until: datetime, progress: Progress, now: datetime) -> Reaped | None:
    """Take down what carries an expired stack's tag, with nothing but the tags to go by.

    None where only tags are left, of what waits for its deletion: a key does so for a week.
    """
    where = clients.region
    if until > now:
        return Reaped(stack=stack, where=where, until=until, outcome="not-due")
    left = sweep.tagged(clients, stack)
    if not left:
        return None
    with progress.step(f"stack {stack}, by its tags in {where}"):
        switches.empty(clients, stack)
        for _ in range(PASSES):
            sweep.delete(clients, left)
            left = sweep.tagged(clients, stack)
            if not left:
                break
    return Reaped(
        stack=stack,
        where=where,
        until=until,
        outcome="left" if left else "taken-down",
        leftovers=tuple(Leftover(kind=item.kind, id=item.id, where=where) for item in left),
    )
