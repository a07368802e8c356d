"""`extend`: a stack with a deadline gets a later one, in every place that knows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from lifecycle import switches
from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.journal import Journal
from lifecycle.lifetime import asked_lifetime, refuse_expired
from lifecycle.lock import hold
from lifecycle.planning import Kept, kept_of, plan_with_ports, remember
from lifecycle.ports import remembered
from lifecycle.stack import Stack
from planner.capacity import moment
from planner.deadline import Lifetime
from planner.errors import DeployError
from planner.plan import Plan
from planner.profile import LifetimeSection
from planner.progress import Progress


class Extended(msgspec.Struct, frozen=True, kw_only=True):
    """What `extend` did.

    Attributes:
        before: the deadline until now.
        until: the deadline from now on.
        worst_case_usd: what the machines cost on AWS from the beginning until then, at most; None: no price is known.
        switches: how many were moved: of Auto Scaling, of instances, and of reservations.

    """

    stack: str
    before: datetime
    until: datetime
    worst_case_usd: float | None
    switches: int


class Longer(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: a duration from now, or a moment; and what the machines may cost by then, if limited."""

    ttl: str = ""
    until: str = ""
    max_cost: float | None = None


def extend(
    home: StackHome,
    longer: Longer,
    progress: Progress,
    *,
    now: datetime | None = None,
    agree: Callable[[Plan, Plan], bool] = lambda _old, _new: True,
) -> Extended:
    """Move the deadline of a stack, and every switch with it.

    Args:
        home: where the stack lives.
        longer: what is asked for.
        progress: told about each step.
        now: the present moment; the clock's where it is None.
        agree: shown the plan as it is and as it is to be; False stops.

    Raises:
        DeployError: the stack has no deadline, or it has passed, or the new one is not later; or it was not agreed to;
            or the credentials are of another account.

    """
    now = now or datetime.now(UTC)
    with hold(home, "extend"):
        stack = Stack.load(home, progress)
        if stack.plan.target == "aws":
            check_account(AwsSession(stack.plan.network.region), stack.plan.account.number)
        kept, plan = _longer(stack, longer, now)
        if not agree(stack.plan, plan):
            raise DeployError("not agreed: the deadline stays as it is", hint="", code="not_agreed")
        journal = Journal(home.journal, "extend")
        with journal.step("extend", moment(_until(plan))):
            return _extend(stack, Stack(home, plan, progress), kept, journal)


def _extend(old: Stack, new: Stack, kept: Kept, journal: Journal) -> Extended:
    """Keep the new deadline, move the switches, and bring the tags after them.

    Killed on the way, each switch stands either at the old deadline or at the new one, and the same command goes on.
    """
    provisioner = new.provisioner()
    if not provisioner.account_answers():
        raise DeployError(
            f"stack {new.plan.stack!r} does not run: there is no switch to move",
            hint=f"`deploy up --stack {new.plan.stack}` starts it; extend it then.",
            code="not_running",
        )
    with journal.step("write plan"):
        remember(new.home, new.plan, kept)
    with new.progress.step("switches"), journal.step("switches"):
        moved = switches.move(provisioner.clients(), new.plan, new.progress)
    with new.progress.step("tags"), journal.step("resources"):
        # Told nothing: what was moved just now would be reported as changed by somebody else.
        Stack(new.home, new.plan).provisioner().up()
    deadline = new.plan.deadline
    return Extended(
        stack=new.plan.stack,
        before=_until(old.plan),
        until=_until(new.plan),
        worst_case_usd=deadline.worst_case_usd if deadline else None,
        switches=moved,
    )


def _until(plan: Plan) -> datetime:
    if plan.deadline is None:
        raise DeployError(
            f"stack {plan.stack!r} has no deadline: it stays until it is taken down",
            hint=f"`deploy down --stack {plan.stack}` takes it down; `deploy up --ttl 8h` gives a new stack one.",
            code="no_deadline",
        )
    return plan.deadline.until


def _longer(stack: Stack, longer: Longer, now: datetime) -> tuple[Kept, Plan]:
    """Return the stack's plan with the later deadline."""
    before, name = _until(stack.plan), stack.plan.stack
    refuse_expired(stack.plan, now)
    kept = kept_of(stack.home)
    if kept is None or kept.lifetime is None:
        raise DeployError(
            f"what stack {name!r} was made from cannot be read",
            hint=f"`deploy down --stack {name}` takes it away.",
            code="request_unreadable",
        )
    asked = asked_lifetime(LifetimeSection(), ttl=longer.ttl, until=longer.until, max_cost=longer.max_cost, now=now)
    if asked is None:
        raise DeployError("until when?", hint="Give --ttl 8h (from now), --until or --max-cost.", code="usage")
    lifetime = Lifetime(
        since=kept.lifetime.since,
        until=asked.until if asked.until or longer.max_cost is None else kept.lifetime.until,
        max_cost_usd=kept.lifetime.max_cost_usd if asked.max_cost_usd is None else asked.max_cost_usd,
    )
    kept = msgspec.structs.replace(kept, lifetime=lifetime)
    plan = plan_with_ports(stack.home, kept, remembered(stack.home))
    if _until(plan) <= before:
        limit = ""
        if lifetime.max_cost_usd is not None:
            limit = f", and {lifetime.max_cost_usd:.2f} USD are spent by {moment(_until(plan))}"
        raise DeployError(
            f"that is not later: the deadline is {moment(before)}{limit}",
            hint="Give a later one, or a higher --max-cost; `deploy down` ends the stack sooner.",
            code="not_later",
        )
    return kept, plan
