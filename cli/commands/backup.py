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
    from lifecycle.backup import backup as write

    from cli.secrets_input import passphrase_from
    from cli.show import emit_json, show
    from lifecycle.home import Home

    passphrase = None if recipient else passphrase_from(passphrase_env, confirm=True)
    report = write(Home.of_user().stack(stack), out, recipients=tuple(recipient or ()), passphrase=passphrase)
    if as_json:
        emit_json(report)
    else:
        show(f"{report.files} files of stack {report.stack} are in {report.path} ({report.bytes} bytes, encrypted)")
