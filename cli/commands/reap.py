"""`deploy reap`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.reap import Reaped


def reap(
    stack: Stack = DEFAULT_STACK,
    everything: Annotated[bool, typer.Option("--all", help="Every stack of this machine, not one.")] = False,
    regions: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="REGION",
            help="Look there, in the account of your AWS credentials, for stacks whose tags tell that they are due; "
            "may be given more than once.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take down what has passed its deadline.

    At the deadline a stack's machines end by themselves; this takes away the rest: disks, endpoints, keys, buckets.
    Made to be run again and again, for example by cron: what is not due is left alone, a stack that another command
    works on waits for the next time. With --region, stacks are also found by their tags (`cloister:until`), so that it
    needs nothing from the machine that made them.

    Exits with 0 if nothing that is due is left, with 5 if something is, with 6 if a stack was locked, with 1 if one
    could not be taken down.

    \b
    Examples:
      deploy reap --stack poc
      deploy reap --all
      deploy reap --all --region us-east-2 --region eu-north-1 --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, show, table
    from lifecycle.home import Home
    from lifecycle.reap import accounts_of, chosen, exit_code
    from lifecycle.reap import reap as run
    from planner.capacity import moment

    home = Home.of_user()
    with progress_view() as progress:
        named = () if everything else (stack,)
        report = run(chosen(home, named, anywhere=bool(regions)), accounts_of(regions or ()), progress, only=named)
    if as_json:
        emit_json(report)
    else:
        rows = [
            (one.stack, one.where, moment(one.until) if one.until else "", one.outcome, _remark(one))
            for one in report.stacks
        ]
        show(table(["stack", "where", "deadline", "outcome", ""], rows) if rows else "No stack is there.")
    raise typer.Exit(exit_code(report))


def _remark(one: Reaped) -> str:
    return one.message or "; ".join(f"{item.kind} {item.id}" for item in one.leftovers)
