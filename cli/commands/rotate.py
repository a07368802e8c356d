"""`deploy rotate ca|cert|jwks|ssh-key`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo

if TYPE_CHECKING:
    from lifecycle.rotation.report import RotationReport

app = typer.Typer(
    help="Replace certificates, authorities and keys while the stack serves: no request is dropped.",
    no_args_is_help=True,
)

Finish = Annotated[bool, typer.Option("--finish", help="End the overlap: go on with the new one, remove the old one.")]
Now = Annotated[bool, typer.Option("--now", help="With --finish: before the overlap is over.")]
Cancel = Annotated[bool, typer.Option("--cancel", help="Go back to the old one, and remove the new one.")]


@app.command("cert")
def cert(stack: Stack = DEFAULT_STACK, sudo_password_file: SudoPasswordFile = None, as_json: Json = False) -> None:
    """Serve a new certificate with a new key, by the same authority. Clients need nothing new.

    Connections that are open go on; new ones get the new certificate. Every endpoint is asked from outside whether it
    shows it. On hosts that SSH reaches it is also how a certificate is renewed without `deploy up`; the sandbox renews
    its own in time.

    \b
    Examples:
      deploy rotate cert
      deploy rotate cert --stack team-a --json
    """
    from cli.progress_view import progress_view
    from lifecycle.rotation.server_certificate import rotate_certificate

    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        report = rotate_certificate(home, progress)
    _tell(report, as_json=as_json)


@app.command("ca")
def ca(
    overlap: Annotated[str, typer.Option("--overlap", help="How long clients have to take the new one: 7d, 24h.")] = "",
    finish: Finish = False,
    now: Now = False,
    cancel: Cancel = False,
    stack: Stack = DEFAULT_STACK,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Replace the stack's own authority, in two steps, with a time in which clients trust the old and the new one.

    The first makes the new authority; `deploy ca` then names a file with both, for every client. The second, --finish,
    is refused before the overlap is over (--now does not wait): it serves a certificate of the new authority, asks
    every endpoint as a client that trusts the new one alone, and then removes the old authority and its key. Clients
    that took the file are served all the time. --cancel goes back, as long as the old one is there.

    \b
    Examples:
      deploy rotate ca --overlap 14d
      deploy rotate ca --finish
      deploy rotate ca --cancel
    """
    from datetime import timedelta

    from cli.progress_view import progress_view
    from lifecycle.durations import parse_duration
    from lifecycle.rotation import authority

    _check(finish=finish, now=now, cancel=cancel, begins=bool(overlap))
    home, length = stack_with_sudo(stack, sudo_password_file), timedelta(seconds=parse_duration(overlap or "7d"))
    with progress_view() as progress:
        if cancel:
            report = authority.cancel(home, progress)
        elif finish:
            report = authority.finish(home, progress, early=now)
        else:
            report = authority.begin(home, length, progress)
    _tell(report, as_json=as_json)


@app.command("jwks")
def jwks(
    finish: Finish = False,
    now: Now = False,
    stack: Stack = DEFAULT_STACK,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Let a new key sign tokens. Tokens that are out there stay good until they expire.

    The new key is published beside the old one first, and signs once every endpoint takes a token of it. --finish
    removes the old key; before its last token has expired it is refused, unless --now is given: that ends them all.

    \b
    Examples:
      deploy rotate jwks
      deploy rotate jwks --finish
      deploy rotate jwks --finish --now
    """
    from cli.progress_view import progress_view
    from lifecycle.rotation import signing_key

    _check(finish=finish, now=now)
    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        report = signing_key.finish(home, progress, early=now) if finish else signing_key.begin(home, progress)
    _tell(report, as_json=as_json)


@app.command("ssh-key")
def ssh_key(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Private key to use from now on; made where there is none.", show_default=False),
    ] = None,
    cancel: Cancel = False,
    stack: Stack = DEFAULT_STACK,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Replace the key that logs in on the stack's hosts, jump hosts too.

    The new key is placed beside the old one, under the same options, and must log in on every host (and be root where
    that is needed) before the old one is removed from any. A host that does not take it ends the rotation: the new key
    is removed again, and the old one stays. Other keys in authorized_keys are left alone. Without --to a key is made in
    the folder of all stacks, which `deploy down` leaves there.

    \b
    Examples:
      deploy rotate ssh-key
      deploy rotate ssh-key --to ~/.ssh/cloister_ed25519
    """
    from cli.progress_view import progress_view
    from lifecycle.rotation import ssh_key as run
    from planner.errors import UsageError

    if cancel and to:
        raise UsageError("--to is for the key that is to come, --cancel for none", hint="Give one of them.")
    home = stack_with_sudo(stack, sudo_password_file)
    with progress_view() as progress:
        report = run.cancel(home, progress) if cancel else run.rotate_ssh_key(home, progress, to)
    _tell(report, as_json=as_json)


def _check(*, finish: bool, now: bool, cancel: bool = False, begins: bool = False) -> None:
    from planner.errors import UsageError

    if now and not finish:
        raise UsageError("--now goes with --finish", hint="`--finish --now` ends the overlap before its time.")
    if finish + cancel + begins > 1:
        raise UsageError("--overlap begins a rotation, --finish and --cancel end one", hint="Give one of them.")


def _tell(report: RotationReport, *, as_json: bool) -> None:
    from cli.show import card, emit_json, show

    if as_json:
        emit_json(report)
        return
    states = {"under-way": "is under way", "done": "is done", "cancelled": "was cancelled"}
    rows = [
        ("new" if report.state != "cancelled" else "stays", report.new),
        *((f"good until {old.until:%Y-%m-%d %H:%M} UTC", old.id) for old in report.retiring),
        *(("removed", one) for one in report.removed),
        *([("file", report.file)] if report.file else []),
        *([("next", report.next)] if report.next else []),
    ]
    show(card(f"rotation of {report.what} {states[report.state]} (stack {report.stack})", rows))
