"""`deploy alerts test`."""

from __future__ import annotations

import typer

from cli.options import DEFAULT_STACK, Json, Stack

app = typer.Typer(help="Who is told when an alert fires.", no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Who is told when an alert fires."""


@app.command("test")
def try_receivers(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Send one test alert to every receiver that the profile names, and say whether each took it.

    It goes through the Alertmanager that runs, of every host, and Alertmanager's own figures say what became of it:
    address, TLS, authority, token or password, and the way through firewalls are all tried. It is called CloisterTest.

    Exits with 1 if a receiver did not take it.

    \b
    Examples:
      deploy alerts test
      deploy alerts test --stack team-a --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, show, table
    from lifecycle.alerting import send_test
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made
    from planner.errors import DeployError

    with progress_view() as progress:
        report = send_test(Made.load(Home.of_user().stack(stack), progress), progress)
    if as_json:
        emit_json(report)
        raise typer.Exit(0 if report.ok else 1)
    rows = [
        (one.host or "here", one.receiver, one.to, "delivered" if one.delivered else "NOT DELIVERED", one.detail)
        for one in report.deliveries
    ]
    show(table(["from", "receiver", "to", "verdict", "seen"], rows, title=f"test {report.test}"))
    if not report.ok:
        raise DeployError(
            "an alert did not reach its receiver",
            hint="`deploy logs alertmanager` says why: the address, its certificate, or what it answered.",
            code="not_delivered",
        )
