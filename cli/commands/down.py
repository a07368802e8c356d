"""`deploy down`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo

if TYPE_CHECKING:
    from lifecycle.teardown_certificate import Leftover

KeepWeights = Annotated[bool, typer.Option("--keep-weights", help="Leave the model's weights on the hosts of `metal`.")]


def down(
    stack: Stack = DEFAULT_STACK,
    keep_weights: KeepWeights = False,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Take a stack away, and prove that nothing is left.

    Works on half-made, killed and damaged stacks, and may be run twice. Leaves a certificate in the archive. Exits with
    5 if something is left.

    Hosts of the target metal are given back as they were before the first `up`: units, users, packages, files, firewall
    and kernel settings, by the record that was made then. A host that is not reached is listed as left.

    \b
    Examples:
      deploy down
      deploy down --stack team-a --json
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, show
    from lifecycle.down import down as run
    from planner.errors import LeftoversError

    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        report = run(home, progress, keep_weights=keep_weights)
    if as_json:
        emit_json(report)
        raise typer.Exit(0 if report.ok else LeftoversError.exit_code)
    if not report.ok:
        left = "; ".join(told(item) for item in report.leftovers)
        cost = sum(item.usd_per_month or 0 for item in report.leftovers)
        bill = f" ({cost:,.2f} USD/month, as far as prices are known)" if cost else ""
        raise LeftoversError(
            f"something is left of stack {report.stack!r}{bill}: {left}",
            hint=f"`deploy down` again tries again. What was looked for, and how: {report.certificate}",
        )
    rows = [("left", "nothing"), ("certificate", report.certificate)]
    show(card(f"stack {report.stack} is gone ({report.seconds:.1f} s)", rows))


def told(item: Leftover) -> str:
    """Say what is left, where, and why where that is known."""
    cost = f", {item.usd_per_month:,.2f} USD/month" if item.usd_per_month else ""
    why = f": {item.why}" if item.why else ""
    return f"{item.kind} {item.id} ({item.where}{cost}){why}"
