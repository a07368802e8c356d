"""`deploy extend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.options import DEFAULT_STACK, Json, MaxCost, Stack, Ttl, Until, Yes

if TYPE_CHECKING:
    from planner.plan import Plan


def extend(
    stack: Stack = DEFAULT_STACK,
    ttl: Ttl = "",
    until: Until = "",
    max_cost: MaxCost = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move the deadline of a stack, and every switch with it, to a later moment.

    A --ttl counts from now. Every switch is moved by one call that puts the new moment in the place of the old one, so
    that there is always one. A stack that is limited by --max-cost needs a higher limit. A stack without a deadline, or
    past it, is refused.

    \b
    Examples:
      deploy extend --ttl 4h
      deploy extend --stack poc --until 2026-12-01T20:00 --json
      deploy extend --stack poc --max-cost 400
    """
    from cli.progress_view import progress_view
    from cli.show import card, confirm, emit_json, show
    from lifecycle.extend import Longer
    from lifecycle.extend import extend as run
    from lifecycle.home import Home
    from planner.capacity import moment

    with progress_view() as progress:

        def agree(old: Plan, new: Plan) -> bool:
            if new.cost.usd_per_hour == 0 or yes or old.deadline is None or new.deadline is None:
                return True
            most = new.deadline.worst_case_usd
            costs = f"{new.cost.usd_per_hour:.2f} USD per hour" + (f", at most {most:.2f} USD" if most else "")
            return confirm(f"From {moment(old.deadline.until)} to {moment(new.deadline.until)}: {costs}. Go on?")

        report = run(
            Home.of_user().stack(stack), Longer(ttl=ttl, until=until, max_cost=max_cost), progress, agree=agree
        )
    if as_json:
        emit_json(report)
        return
    most = "unknown" if report.worst_case_usd is None else f"at most {report.worst_case_usd:.2f} USD from the beginning"
    rows = [("until", moment(report.until)), ("before", moment(report.before)), ("on AWS", most)]
    show(card(f"stack {report.stack} lives longer ({report.switches} switches moved)", rows))
