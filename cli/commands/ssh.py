"""`deploy ssh`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack


def ssh(
    node: Annotated[str, typer.Argument(help="Name of the node or host; the first one when absent.")] = "",
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Behind `--`: what to run there; a shell when absent.")
    ] = None,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Open a shell on a node or host, or run a command there and leave with its exit code.

    Nodes in AWS have no way to the internet: SSH goes through the stack's EC2 Instance Connect Endpoint. The node's
    host key is the one that its console showed; the key that logs in lives for this command. A tunnel lasts an hour at
    most and is slow: it is for administration and smoke tests, not for model traffic.

    Hosts of one's own (--target metal) are reached as `deploy up` reaches them: through their jump hosts, with the
    stack's key, and with the host keys that were confirmed; no others are taken.

    The command's words reach the host as they are: a pipe needs `sh -c`. With --json a command is needed, and its
    output comes as one document.

    \b
    Examples:
      deploy ssh
      deploy ssh node-0 -- nvidia-smi
      deploy ssh node-0 --stack team-a --json -- systemctl --failed
    """
    import contextlib

    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.home import Home
    from lifecycle.shell import attach, reach, run
    from lifecycle.stack import Stack as Made
    from planner.errors import UsageError

    if as_json and not command:
        raise UsageError("--json is for a command's output", hint="`deploy ssh NODE --json -- COMMAND`")
    made = Made.load(Home.of_user().stack(stack))
    with contextlib.ExitStack() as opened:
        with progress_view() as progress:
            reached = opened.enter_context(reach(made, node, progress, as_files=not as_json))
            if as_json:
                report = run(reached, stack, command or [])
                emit_json(report)
                raise typer.Exit(report.code)
        raise typer.Exit(attach(reached, command or []))
