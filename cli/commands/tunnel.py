"""`deploy tunnel`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack


def tunnel(
    node: Annotated[str, typer.Argument(help="Name of the node.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="An ed25519 public key's file, let in for a minute before.")
    ] = None,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Carry standard input and output to a node's SSH port: a `ProxyCommand` for OpenSSH, Ansible, rsync.

    `deploy ssh` and the playbooks use it by themselves. --json opens nothing, and prints an OpenSSH configuration for
    the node: user, proxy command, and the host key that the node's console showed, which is asked for strictly.

    \b
    Examples:
      deploy tunnel node-0 --public-key ~/.ssh/id_ed25519.pub --json | jq -r .ssh_config > node-0.conf
      rsync -e 'ssh -F node-0.conf' ./notes node-0:
    """
    from cli.progress_view import LineView
    from cli.show import emit_json
    from lifecycle.access import NodeAccess, read_public_key
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made
    from lifecycle.tunnel.stdio import tunnel as run

    made = Made.load(Home.of_user().stack(stack))
    key = read_public_key(public_key) if public_key else ""
    access = NodeAccess.of(made, LineView())
    if as_json:
        emit_json(access.described(access.node(node), public_key and public_key.absolute()))
    else:
        run(access, node, key)
