"""`deploy list`."""

from __future__ import annotations

from cli.options import Json


def list_(as_json: Json = False) -> None:
    """List the stacks of this machine.

    \b
    Example:
      deploy list
    """
    from cli.show import emit_json, show, table
    from lifecycle.home import Home
    from lifecycle.status import list_stacks

    stacks = list_stacks(Home.of_user())
    if as_json:
        emit_json({"stacks": stacks})
    elif not stacks:
        show("no stacks; `deploy up --profile 2xh200` makes one")
    else:
        rows = [(s.stack, s.state, s.profile, s.target, s.url) for s in stacks]
        show(table(["stack", "state", "profile", "target", "url"], rows))
