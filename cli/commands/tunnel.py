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

    `deploy ssh` and the playbooks use it by themselves. --json opens nothing, and prints what an OpenSSH configuration
    of your own needs: the user, the proxy command, and where the host key stands that the node's console showed.

    \b
    Examples:
      ssh -o ProxyCommand='deploy tunnel node-0 --public-key ~/.ssh/id_ed25519.pub' ubuntu@node-0
      deploy tunnel node-0 --json
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
        emit_json(access.described(access.node(node)))
    else:
        run(access, node, key)
