"""`deploy verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo


def verify(
    stack: Stack = DEFAULT_STACK,
    token_env: Annotated[
        str, typer.Option("--token-env", metavar="NAME", help="Variable with a token of your own OIDC issuer.")
    ] = "",
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Probe a running stack like a stranger and like a client, and say what holds.

    Exits with 4 if a check fails. Checks that cannot be tried here are said to be so.

    \b
    Examples:
      deploy verify
      deploy verify --json
    """
    import os

    from cli.progress_view import progress_view
    from cli.show import emit_json, show, table
    from lifecycle.stack import Stack as Made
    from lifecycle.verify import verify as probe
    from planner.errors import NotPrivateError, UsageError

    if token_env and not os.environ.get(token_env):
        raise UsageError(f"the environment variable {token_env} is empty", hint="It must hold a token.")
    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        made = Made.load(home, progress)
        report = probe(made, progress, os.environ.get(token_env) if token_env else None)
    if as_json:
        emit_json(report)
        raise typer.Exit(0 if report.ok else NotPrivateError.exit_code)
    marks = {True: "holds", False: "FAILS", None: "not tried"}
    show(table(["check", "verdict", "seen"], [(c.id, marks[c.ok], c.detail) for c in report.checks]))
    failed = [check.id for check in report.checks if check.ok is False]
    if failed:
        raise NotPrivateError(
            f"{len(failed)} of {len(report.checks)} checks fail: {', '.join(failed)}",
            hint="The table says what was seen; `deploy logs` and `deploy status` say more.",
        )
    not_tried = f", {report.not_tried} could not be tried" if report.not_tried else ""
    show(f"[green]{len(report.checks) - report.not_tried} checks hold[/]{not_tried}")
