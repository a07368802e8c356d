"""`deploy audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.audit import AuditReport


def audit(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Run the rules over a running stack: its account's resources and its hosts' files, as they are now.

    What `plan` could only say of values that are decided at apply is judged here, and so is whatever somebody changed
    or added by hand: rules of security groups, routes, gateways, policies of roles, drop-ins of units, files in folders
    that programs read whole, the firewall and the SSH server as they are in force. Nothing is changed by looking: every
    call of AWS's API is a Describe, Get or List, and hosts are read by SSH.

    What cannot be read is a finding (`undecidable`), and no pass. Exits with 3 if a mandatory rule is violated, or
    cannot be decided. `deploy iam-policy --for audit` prints the policy of a reviewer who may do no more than this.

    \b
    Examples:
      deploy audit
      deploy audit --stack team-a --json | jq '.findings[] | {rule, resource, message}'
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.audit import audit as look
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made
    from planner.errors import PolicyRefusedError

    with progress_view() as progress:
        report = look(Made.load(Home.of_user().stack(stack), progress), progress)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else PolicyRefusedError.exit_code)


def _show(report: AuditReport) -> None:
    from rich.markup import escape

    from cli.findings import told
    from cli.show import show

    show(*told(report.findings, settled=True))
    show(*(f"gone from the account: {escape(one)}" for one in report.gone))
    judged = f"{len(report.resources)} resources and {len(report.files)} files, {report.rules} rules"
    verdict = "[green]every mandatory rule holds[/]" if report.ok else "[red]refused[/]"
    show(f"{verdict} ({judged}, {report.seconds:.1f} s)")
