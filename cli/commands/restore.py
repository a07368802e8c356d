"""`deploy restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `deploy backup` wrote.")],
    stack: Annotated[str, typer.Option("--stack", "-s", help="Name to restore it under; its own by default.")] = "",
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", help="File with the age or SSH private key.")
    ] = None,
    passphrase_env: Annotated[
        str, typer.Option("--passphrase-env", metavar="NAME", help="Variable with the passphrase, instead of a key.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Take a stack over from a backup, on this machine or another; `deploy up` then brings it to life.

    \b
    Examples:
      deploy restore stack.age
      deploy restore stack.age --identity ~/.ssh/id_ed25519
    """
    from lifecycle.backup import restore as read

    from cli.secrets_input import passphrase_from
    from cli.show import emit_json, show
    from cli.views import flags
    from lifecycle.home import Home

    passphrase = None if identity else passphrase_from(passphrase_env, confirm=False)
    report = read(Home.of_user(), file, stack=stack, identity=identity, passphrase=passphrase)
    if as_json:
        emit_json(report)
    else:
        show(f"stack {report.stack} is restored ({report.files} files); now: deploy up{flags(report.stack)}")
