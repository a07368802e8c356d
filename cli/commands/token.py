"""`deploy token issue|list|revoke|rotate`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo

app = typer.Typer(
    help="Issue, list and revoke the tokens of a stack's own issuer, and rotate its key.", no_args_is_help=True
)


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
    from datetime import UTC, datetime

    from cli.show import emit_json, emit_text
    from lifecycle import tokens
    from lifecycle.durations import parse_duration
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    scope = made.plan.gateway.observe_scope if observe else made.plan.gateway.routes[0].scope
    now, ttl_s = datetime.now(UTC), parse_duration(ttl)
    token = tokens.issue(made.plan, made.layout, client=client, ttl_s=ttl_s, scopes=(scope,), now=now)
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
    from datetime import UTC, datetime

    from cli.show import emit_json, show, table
    from lifecycle import tokens
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    issued, now = tokens.list_tokens(made.plan, made.layout), datetime.now(UTC)
    if as_json:
        emit_json({"tokens": issued})
        return
    rows = [(t.client, t.jti, " ".join(t.scopes), t.state(now), f"{t.expires_at:%Y-%m-%d %H:%M} UTC") for t in issued]
    show(table(["client", "jti", "scopes", "state", "expires"], rows))


@app.command("revoke")
def revoke(
    jti: Annotated[str, typer.Argument(help="The token's id, as `deploy token list` shows it.")] = "",
    client: Annotated[str, typer.Option("--client", "-c", help="Revoke every token of this client.")] = "",
    stack: Stack = DEFAULT_STACK,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Revoke a token, or all of a client's. The gateway refuses them within about a second.

    On hosts that SSH reaches it does so once this command ends well; run it again if a host was not reached.

    \b
    Examples:
      deploy token revoke 01J9Z3K8QG
      deploy token revoke --client me
    """
    from datetime import UTC, datetime

    from cli.progress_view import progress_view
    from cli.show import emit_json, show
    from lifecycle import tokens
    from lifecycle.hosts.serve_stack import pass_on
    from lifecycle.stack import Stack as Made
    from planner.errors import UsageError

    if bool(jti) == bool(client):
        raise UsageError("name a token's id, or a client with --client", hint="`deploy token list` shows both.")
    made = Made.load(stack_with_sudo(stack, sudo_password_file))
    ended = tokens.revoke(made.plan, made.layout, jti=jti, client=client, now=datetime.now(UTC))
    with progress_view() as progress:
        pass_on(made, "revoke", progress)
    revoked = [token.jti for token in ended]
    if as_json:
        emit_json({"revoked": revoked})
    else:
        show(f"revoked: {', '.join(revoked) or 'nothing was left to revoke'}")


@app.command("rotate")
def rotate(stack: Stack = DEFAULT_STACK, sudo_password_file: SudoPasswordFile = None, as_json: Json = False) -> None:
    """Let a new key sign tokens from now on. Tokens that are out there stay good until they expire.

    An older key retires when the longest lifetime of a token has passed; the gateway takes none of its tokens after
    that. To end tokens now, use `deploy token revoke`. The same as `deploy rotate jwks`, whose --finish removes the
    old key.

    \b
    Example:
      deploy token rotate
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, show
    from lifecycle.rotation.signing_key import begin
    from lifecycle.tokens import Retiring, Rotated

    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        report = begin(home, progress)
    rotated = Rotated(kid=report.new, retiring=tuple(Retiring(kid=old.id, until=old.until) for old in report.retiring))
    if as_json:
        emit_json(rotated)
        return
    show(f"new tokens are signed by key {rotated.kid}")
    for old in rotated.retiring:
        show(f"tokens of key {old.kid} are good until {old.until:%Y-%m-%d %H:%M} UTC at most")
