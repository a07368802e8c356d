"""`deploy status`."""

from __future__ import annotations

from cli.options import DEFAULT_STACK, Json, Stack


def status(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Show whether a stack runs, and its services.

    \b
    Examples:
      deploy status
      deploy status --stack team-a --json
    """
    from cli.show import emit_json, show, table
    from lifecycle.home import Home
    from lifecycle.status import status as look
    from planner.capacity import moment

    report = look(Home.of_user().stack(stack))
    if as_json:
        emit_json(report)
        return
    rows = [(s.name, s.state.lower(), str(s.pid or ""), s.url or "") for s in report.services]
    show(
        f"stack [bold]{report.stack}[/] is [bold]{report.state}[/] (profile {report.profile}, target {report.target})",
        f"endpoint {report.endpoint.url}/v1",
        *([f"until {moment(report.until)}"] if report.until else []),
        table(["service", "state", "pid", "url"], rows),
    )
