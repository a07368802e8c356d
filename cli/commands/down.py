"""`deploy down`."""

from __future__ import annotations

from cli.options import DEFAULT_STACK, Json, Stack


def down(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Take a stack away, and prove that nothing is left.

    Works on half-made, killed and damaged stacks, and may be run twice. Leaves a certificate in the archive. Exits with
    5 if something is left.

    \b
    Examples:
      deploy down
      deploy down --stack team-a --json
    """
    import typer

    from cli.progress_view import progress_view
    from cli.show import card, emit_json, show
    from lifecycle.down import down as run
    from lifecycle.home import Home
    from planner.errors import LeftoversError

    with progress_view() as progress:
        report = run(Home.of_user().stack(stack), progress)
    if as_json:
        emit_json(report)
        raise typer.Exit(0 if report.ok else LeftoversError.exit_code)
    if not report.ok:
        left = "; ".join(f"{item.kind} {item.id} ({item.where})" for item in report.leftovers)
        raise LeftoversError(
            f"something is left of stack {report.stack!r}: {left}",
            hint=f"`deploy down` again tries again. What was looked for, and how: {report.certificate}",
        )
    rows = [("left", "nothing"), ("certificate", report.certificate)]
    show(card(f"stack {report.stack} is gone ({report.seconds:.1f} s)", rows))
