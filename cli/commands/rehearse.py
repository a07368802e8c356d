"""`deploy rehearse`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, ProfileName, Ttl

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lifecycle.rehearsal.records import RehearsalReport, Run
    from planner.errors import DeployError


def rehearse(
    profile: ProfileName,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME[@CALL]",
            help="Only this fault, at the calls it fits, or at one: a name (RunInstances) or number. Repeatable.",
        ),
    ] = None,
    kill_each_call: Annotated[
        bool, typer.Option("--kill-each-call", help="Kill the process (SIGKILL) at every call of `up` and of `down`.")
    ] = False,
    nodes: Annotated[
        int, typer.Option("--nodes", min=0, max=128, help="How many nodes; 0 for as many as the profile has.")
    ] = 0,
    ttl: Ttl = "",
    as_json: Json = False,
) -> None:
    """Rehearse the AWS stack's whole life while things go wrong, and see that nothing is ever left.

    Up, a look at everything, up again, down, sweep: the program that makes the real stack, against an emulated account
    of its own that ends with the command. Nothing outside this machine is reached, and no stack of yours is touched.
    With --ttl, or a profile that has one, the stack has a deadline, and its nodes come from Auto Scaling.
    Without --fault, every fault is tried; with --kill-each-call alone, only the kills. Exits with 1 if something did
    not hold, with 5 if anything was left in the account.

    \b
    Examples:
      deploy rehearse --profile 2xh200
      deploy rehearse --profile 2xh200 --kill-each-call
      deploy rehearse --profile poc --ttl 8h --kill-each-call
      deploy rehearse --profile ./mine.toml --fault response-lost@RunInstances --fault throttled --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, show
    from lifecycle.rehearsal.rehearse import Wish
    from lifecycle.rehearsal.rehearse import rehearse as run
    from planner.errors import DeployError, LeftoversError

    wish = Wish(profile=profile, faults=tuple(fault or ()), kill_each_call=kill_each_call, nodes=nodes, ttl=ttl)
    try:
        with progress_view() as progress:
            report = run(wish, progress)
    except KeyboardInterrupt:
        raise _interrupted() from None
    left = sum(len(one.leftovers) for one in report.runs)
    if as_json:
        emit_json(report)
        raise typer.Exit(0 if report.ok else LeftoversError.exit_code if left else DeployError.exit_code)
    show(_table(report))
    failed = [one for one in report.runs if not one.ok]
    if failed:
        kind = LeftoversError if left else DeployError
        raise kind(
            f"{len(failed)} of {len(report.runs)} runs did not hold; {left} things were left in the account",
            hint="The table says which and why. This is a defect of the toolkit: do not use it on a paid account yet.",
            code="leftovers" if left else "rehearsal_failed",
        )
    show(
        f"[green]{len(report.runs)} runs hold[/]: {report.up_calls} calls of up, {report.down_calls} of down, nothing "
        f"left in any account ({report.seconds:.0f} s)"
    )


def _interrupted() -> DeployError:
    """Say what Ctrl-C means here: there is no stack to go on with, or to take away."""
    from planner.errors import DeployError, ExitCode

    error = DeployError(
        "interrupted: the rehearsal did not end, and proves nothing",
        hint="Its account ended with it; no stack of yours and no account was touched. Run it again, or a part of it "
        "with --fault NAME.",
        code="interrupted",
    )
    error.exit_code = ExitCode.INTERRUPTED
    return error


def _table(report: RehearsalReport) -> RenderableType:
    """Return a line for each fault and outcome; each run that does not hold has its own."""
    from collections import Counter

    from cli.show import table

    lines: Counter[tuple[str, str, str, str]] = Counter(_line(run) for run in report.runs)
    rows = [
        (fault, during, at or (f"{count} calls" if count > 1 else ""), outcome)
        for (fault, during, at, outcome), count in lines.items()
    ]
    return table(["fault", "during", "at", "outcome"], rows, named=True)


def _line(run: Run) -> tuple[str, str, str, str]:
    if not run.ok:
        return run.fault, run.during, run.at, f"FAILED: {run.message}"
    grouped = run.outcome in {"killed", "not reached"}
    return run.fault, run.during, "" if grouped else run.at, run.outcome
