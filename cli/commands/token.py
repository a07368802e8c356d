"""`deploy token issue|list|revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack

app = typer.Typer(help="Issue, list and revoke the tokens of a stack's own issuer.", no_args_is_help=True)


@app.command("issue")
def issue(
    client: Annotated[str, typer.Option("--client", "-c", help="Who will use it: appears in logs and metrics.")],
    ttl: Annotated[str, typer.Option("--ttl", help="Lifetime: 30m, 1h, 7d.")] = "1h",
    observe: Annotated[bool, typer.Option("--observe", help="For the dashboards, not for inference.")] = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Issue a token, and print it alone on stdout. It is shown once and kept nowhere.

    \b
    Examples:
      export OPENAI_API_KEY=$(deploy token issue --client me --ttl 1h)
      deploy token issue --client grafana --ttl 7d --observe
    """
    from lifecycle.tokens import parse_duration

    from cli.show import emit_json, emit_text
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    scope = made.plan.gateway.observe_scope if observe else made.plan.gateway.routes[0].scope
    token = made.tokens().issue(client, parse_duration(ttl), (scope,))
    if as_json:
        emit_json(token)
    else:
        emit_text(token.token)


@app.command("list")
def list_(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """List the tokens that were issued; never the tokens themselves.

    \b
    Example:
      deploy token list --json
    """
    from cli.show import emit_json, show, table
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    issued = Made.load(Home.of_user().stack(stack)).tokens().list()
    if as_json:
        emit_json({"tokens": issued})
        return
    show(table(["client", "jti", "scopes", "state", "expires"], [t.row() for t in issued]))


@app.command("revoke")
def revoke(
    jti: Annotated[str, typer.Argument(help="The token's id, as `deploy token list` shows it.")] = "",
    client: Annotated[str, typer.Option("--client", "-c", help="Revoke every token of this client.")] = "",
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Revoke a token, or all of a client's. The gateway refuses them within about a second.

    \b
    Examples:
      deploy token revoke 01J9Z3K8QG
      deploy token revoke --client me
    """
    from cli.show import emit_json, show
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made
    from planner.errors import UsageError

    if bool(jti) == bool(client):
        raise UsageError("name a token's id, or a client with --client", hint="`deploy token list` shows both.")
    issuer = Made.load(Home.of_user().stack(stack)).tokens()
    revoked = issuer.revoke(jti=jti or None, client=client or None)
    if as_json:
        emit_json({"revoked": revoked})
    else:
        show(f"revoked: {', '.join(revoked) or 'nothing was left to revoke'}")
