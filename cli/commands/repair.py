"""`deploy repair`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack

BreakLock = Annotated[
    bool,
    typer.Option(
        "--break-lock",
        help="Release the lock of a state in a bucket (--backend): only where nobody works on the stack anywhere.",
    ),
]


def repair(stack: Stack = DEFAULT_STACK, break_lock: BreakLock = False, as_json: Json = False) -> None:
    """Settle what a killed run left in the state of Pulumi's engine: stale locks, and operations that never ended.

    What had been made in the account, and the state does not know, is taken over; nothing is made or deleted. `up` and
    `down` do the same before they begin, but for --break-lock. What was done is in the stack's journal.

    \b
    Examples:
      deploy repair
      deploy repair --stack team-a --json
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, show
    from lifecycle.home import Home
    from lifecycle.repair import repair as run

    with progress_view() as progress:
        report = run(Home.of_user().stack(stack), progress, break_lock=break_lock)
    if as_json:
        emit_json(report)
        return
    if report.engine == "in-process":
        show("The sandbox's engine keeps no locks, and settles what was interrupted in every run.")
        return
    unseen = "a bucket's are left alone; --break-lock releases one" if report.backend else "none was left"
    rows = [
        ("lock", "released" if report.lock_released else unseen),
        ("taken over", ", ".join(report.adopted) or "nothing"),
        ("forgotten", ", ".join(report.forgotten) or "nothing"),
        ("next", "deploy up goes on, deploy down takes the stack away"),
    ]
    show(card(f"stack {report.stack}", rows))
