"""`deploy connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.connecting import ConnectReport


def connect(
    stack: Stack = DEFAULT_STACK,
    host: Annotated[str, typer.Option("--host", help="Which host or node; the first when absent.")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of this machine; 0 takes a free one.")] = 8443,
    as_json: Json = False,
) -> None:
    """Open a port of this machine that leads to a private endpoint, until Ctrl-C.

    The port (loopback only) leads through SSH to the gateway of a host, through its jump hosts, or to that of a node in
    AWS, over the stack's EC2 Instance Connect Endpoint. AWS ends a tunnel after an hour: the port stays open, and a new
    tunnel takes over. Throughput suits administration and smoke tests; clients reach the endpoint from the networks
    that the profile names. All that goes through one `connect` is one of the 20 tunnels that such an endpoint carries.

    \b
    Examples:
      deploy connect
      deploy connect --host rack-2
      deploy connect --stack team-a --port 9443
    """
    from cli.progress_view import LineView, progress_view
    from cli.show import emit_json, show
    from lifecycle.access import NodeAccess
    from lifecycle.connecting import connect as run
    from lifecycle.connecting import connect_host
    from lifecycle.home import Home
    from lifecycle.planning import hosts_of
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    lines = LineView()  # for hours: no moving picture

    def ready(report: ConnectReport) -> None:
        if as_json:
            emit_json(report)
        else:
            show(*_words(report))

    try:
        if kept := hosts_of(made.home):
            connect_host(made, kept, port, lines, ready=ready, name=host)
            return
        with progress_view() as progress:
            access = NodeAccess.of(made, progress)
            access.pin(access.node(host))
        run(made, NodeAccess.of(made, lines), port, lines, ready=ready, name=host)
    except KeyboardInterrupt:
        lines.note("closed")


def _words(report: ConnectReport) -> list[str]:
    """Say where the endpoint is, and how it is trusted."""
    import shlex

    resolve = f" --resolve {report.resolve}" if report.resolve else ""
    trust = f" --cacert {shlex.quote(report.ca_file)}" if report.ca_file else ""
    lines = [
        f"endpoint  {report.url}/v1   (node {report.node}; Ctrl-C closes it)",
        f"try it    curl{trust}{resolve} {report.url}/v1/models -H 'Authorization: Bearer TOKEN'",
    ]
    if report.ca_file:
        lines.append("trust     `deploy ca` shows how clients come to trust this stack's authority")
    if report.resolve:
        lines.append("name      the certificate holds no loopback address: clients must find the name at 127.0.0.1")
    return lines
