"""`deploy restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `deploy backup` wrote.")],
    stack: Stack = DEFAULT_STACK,
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
    from cli.contract import RestoreReport
    from cli.secrets_input import passphrase_from
    from cli.show import emit_json, show
    from cli.views import flags
    from lifecycle.backup import restore as read
    from lifecycle.home import Home
    from lifecycle.lock import hold
    from lifecycle.sealing import Identity, Passphrase

    place = Home.of_user().stack(stack)
    key = Identity(identity.read_text()) if identity else Passphrase(passphrase_from(passphrase_env, confirm=False))
    with hold(place, "restore"):
        kept = read(file, place.folder, key=key)
    report = RestoreReport(stack=kept.stack, files=tuple(kept.files), created_at=kept.created_at)
    if as_json:
        emit_json(report)
    else:
        show(f"stack {report.stack} is restored ({len(report.files)} files); now: deploy up{flags(report.stack)}")
