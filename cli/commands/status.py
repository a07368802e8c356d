"""`deploy status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.status import StatusReport


def status(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Show whether a stack runs, and its services.

    Of a stack on AWS these are its nodes, as the account has them; of one on hosts the units of each, over SSH.

    \b
    Examples:
      deploy status
      deploy status --stack team-a --json
    """
    from cli.show import emit_json, show
    from lifecycle.home import Home
    from lifecycle.status import status as look
    from planner.capacity import moment

    report = look(Home.of_user().stack(stack))
    if as_json:
        emit_json(report)
        return
    if report.target == "aws":
        _show_on_aws(report)
    elif report.hosts:
        _show_on_hosts(report)
    else:
        _show_here(report)
    for one in report.rotations:
        when = f" until {moment(one.until)}" if one.until else ""
        show(f"rotation of [bold]{one.what}[/] under way: {one.phase}{when}; next: {one.next}")


def _show_here(report: StatusReport) -> None:
    from cli.show import show, table
    from planner.capacity import moment

    rows = [(s.name, s.state.lower(), str(s.pid or ""), s.url or "") for s in report.services]
    show(
        f"stack [bold]{report.stack}[/] is [bold]{report.state}[/] (profile {report.profile}, target {report.target})",
        f"endpoint {report.endpoint.url}/v1" if report.endpoint else "no endpoint",
        *([f"until {moment(report.until)}"] if report.until else []),
        table(["service", "state", "pid", "url"], rows),
    )


def _show_on_hosts(report: StatusReport) -> None:
    from cli.show import show, table

    show(
        f"stack [bold]{report.stack}[/] is [bold]{report.state}[/] (profile {report.profile}, target {report.target})",
        f"endpoint {report.endpoint.url}/v1" if report.endpoint else "no endpoint",
    )
    for host in report.hosts:
        rows = [(one.name, one.state.lower(), str(one.pid or "")) for one in host.services]
        title = f"{host.name} ({host.address}): {host.state}{': ' + host.error if host.error else ''}"
        show(table(["service", "state", "pid"], rows, title=title))


def _show_on_aws(report: StatusReport) -> None:
    from cli.show import show, table

    price = "an unknown price" if report.usd_per_hour is None else f"{report.usd_per_hour:,.2f} USD per hour"
    rows = [(node.name, node.state, node.instance_id, node.private_ip, node.zone) for node in report.nodes]
    show(
        f"stack [bold]{report.stack}[/] is [bold]{report.state}[/] (profile {report.profile}, target {report.target})",
        f"account {report.account}, {report.region}; machines at {price}",
        "no endpoint: no services are configured on the nodes" if report.endpoint is None else report.endpoint.url,
        table(["node", "state", "instance", "address", "zone"], rows),
    )
