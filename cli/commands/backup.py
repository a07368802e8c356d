"""`deploy backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack


def backup(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    stack: Stack = DEFAULT_STACK,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", "-r", help="age or SSH public key that may restore it.")
    ] = None,
    passphrase_env: Annotated[
        str, typer.Option("--passphrase-env", metavar="NAME", help="Variable with the passphrase, instead of a key.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write everything that cannot be made again into one encrypted file (age).

    That is the authority, the signing keys, revocations, the plan, the state and the journal. Without --recipient the
    passphrase is asked for, or taken from the variable that --passphrase-env names; it never stands on a command line.

    \b
    Examples:
      deploy backup stack.age
      deploy backup stack.age --recipient age1...
      deploy backup stack.age --passphrase-env BACKUP_PASSPHRASE
    """
    from datetime import UTC, datetime
    from importlib.metadata import version

    from cli.contract import BackupReport
    from cli.secrets_input import passphrase_from
    from cli.show import emit_json, show
    from lifecycle.backup import backup as write
    from lifecycle.home import Home
    from lifecycle.lock import hold
    from lifecycle.sealing import Passphrase, Recipients
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    lock = Recipients(tuple(recipient)) if recipient else Passphrase(passphrase_from(passphrase_env, confirm=True))
    with hold(made.home, "backup"):
        kept = write(made.layout, out, lock=lock, tool_version=version("cloister"), now=datetime.now(UTC))
    report = BackupReport(stack=kept.stack, path=str(out), files=tuple(kept.files), created_at=kept.created_at)
    if as_json:
        emit_json(report)
    else:
        show(f"{len(report.files)} files of stack {report.stack} are in {report.path}, encrypted")
