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
    replace: Annotated[
        bool, typer.Option("--replace", help="A stack of this name gives way: its files are lost, its services end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a stack over from a backup, on this machine or another; `deploy up` then brings it to life.

    A stack of the same name is in the way unless --replace is given; it is left alone until the backup has been opened
    and found whole.

    \b
    Examples:
      deploy restore stack.age
      deploy restore stack.age --identity ~/.ssh/id_ed25519
      deploy restore stack.age --replace
    """
    from cli.contract import RestoreReport
    from cli.secrets_input import passphrase_from
    from cli.show import emit_json, show
    from cli.views import flags
    from lifecycle.home import Home
    from lifecycle.restoring import restore_stack
    from lifecycle.sealing import Identity, Passphrase

    place = Home.of_user().stack(stack)
    key = Identity(identity.read_text()) if identity else Passphrase(passphrase_from(passphrase_env, confirm=False))
    done = restore_stack(place, file, key=key, replace=replace)
    kept, ended = done.manifest, tuple(sorted(process.name for process in done.ended))
    report = RestoreReport(stack=kept.stack, files=tuple(kept.files), created_at=kept.created_at, ended=ended)
    if as_json:
        emit_json(report)
    else:
        if ended:
            show(f"ended, of the stack that was there: {', '.join(ended)}")
        show(f"stack {report.stack} is restored ({len(report.files)} files); now: deploy up{flags(report.stack)}")
