"""`deploy hosts check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HostsKey, InventoryFile, Json, OneHost, SudoPasswordFile, confirm_host_key, inventory_of

if TYPE_CHECKING:
    from lifecycle.hosts.check import HostsReport

app = typer.Typer(help="Look at machines that are reached by SSH.", no_args_is_help=True)


@app.callback()
def hosts() -> None:
    """Look at machines that are reached by SSH."""


@app.command("check")
def check(
    inventory: InventoryFile = None,
    host: OneHost = "",
    key: HostsKey = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Say whether this profile's plan fits.")] = "",
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="DIR", help="The profile's bundle: room for its images is counted too."),
    ] = None,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Connect to hosts, read what they are, and say whether they fit. Nothing is changed on them.

    With --profile also what `deploy up` would change there first: packages, settings, SSH, the firewall.

    A host's key is shown and asked about at first contact, then pinned. Without a terminal it must stand in the
    inventory (`host_key`). A key that changed stops the connection. Exits with 1 if a host does not fit.

    \b
    Examples:
      deploy hosts check --host ops@192.0.2.10
      deploy hosts check --inventory hosts.toml --profile 2xh200 --json
      deploy hosts check --inventory hosts.toml --profile 2xh200 --bundle ./bundle
    """
    from cli.progress_view import progress_view
    from cli.secrets_input import sudo_password
    from cli.show import emit_json
    from lifecycle.home import Home
    from lifecycle.hosts.check import check as look
    from lifecycle.hosts.check import with_changes
    from lifecycle.hosts.fit import needs_of, plan_for_a_host
    from lifecycle.hosts.image_room import packed_images
    from lifecycle.hosts.pins import Pins
    from lifecycle.hosts.ssh import Login
    from lifecycle.hosts.sudo import Sudo
    from lifecycle.profiles import load_profile
    from planner.catalogue import load_catalogue
    from planner.errors import UsageError

    named = inventory_of(inventory, host)
    plan = plan_for_a_host(load_profile(profile)) if profile else None
    if named is None:
        raise UsageError("which hosts? give either --inventory or --host", hint="`deploy hosts check --help`")
    if bundle and plan is None:
        raise UsageError("--bundle says nothing without --profile", hint="Name the profile that it was made for.")
    login = Login(
        pins=Pins(Home.of_user().known_hosts),
        confirm=confirm_host_key,
        key_file=key,
        sudo=Sudo(sudo_password(sudo_password_file)),
    )
    needs = needs_of(plan, load_catalogue()) if plan else None
    images = packed_images(plan, bundle) if plan and bundle else None
    # No moving picture: it may ask about a host key.
    report = look(named, login, needs=needs, profile=profile, images=images)
    if plan:
        with progress_view() as progress:
            report = with_changes(report, plan, named, login, progress)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.fits else 1)


def _show(report: HostsReport) -> None:
    from cli.show import show, table

    marks = {"ok": "ok", "note": "note", "no": "NO"}
    for one in report.hosts:
        rows = [(v.what, marks[v.state], v.found, v.remedy) for v in one.verdicts]
        rows += [("connection", "NO", one.error, one.hint)] if one.error else []
        title = f"{one.name} ({one.address}): {'fits' if one.fits else 'does not fit'}"
        show(table(["what", "verdict", "found", "what to do"], rows, title=title))
        if one.changes is not None:
            title = f"{one.name}: what `deploy up` would change first" if one.changes else f"{one.name}: prepared"
            show(table(["task", "change"], [(change.task, change.diff) for change in one.changes], title=title))
