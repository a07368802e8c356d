"""`deploy logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo


def logs(
    service: Annotated[str, typer.Argument(help="A service; all of them when absent.")] = "",
    stack: Stack = DEFAULT_STACK,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many of the last lines.")] = 50,
    host: Annotated[str, typer.Option("--host", help="Which host or node; the first when absent.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come (Ctrl-C ends it).")] = False,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Print the last lines of a service's log.

    \b
    Examples:
      deploy logs gateway
      deploy logs engine --follow
    """
    from cli.show import emit_json, emit_text
    from lifecycle.logs import known_services, lines_of
    from lifecycle.stack import Stack as Made
    from planner.errors import UsageError

    if follow and as_json:
        raise UsageError("--follow goes on until Ctrl-C, --json is one document", hint="Leave one of them out.")
    made = Made.load(stack_with_sudo(stack, sudo_password_file))
    names = known_services(made, service)
    if follow and len(names) > 1:
        raise UsageError("--follow takes one service", hint=f"Name one of: {', '.join(names)}.")
    if as_json:
        emit_json({"logs": {name: list(lines_of(made, name, lines, host=host)) for name in names}})
        return
    for name in names:
        if len(names) > 1:
            emit_text(f"==> {name} <==")
        for line in lines_of(made, name, lines, follow=follow, host=host):
            if not emit_text(line):
                return
