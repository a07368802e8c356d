"""`deploy hosts check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json

if TYPE_CHECKING:
    from lifecycle.hosts.check import HostsReport
    from lifecycle.hosts.fit import Needs
    from lifecycle.hosts.inventory import Host, Inventory

app = typer.Typer(help="Look at machines that are reached by SSH.", no_args_is_help=True)


@app.callback()
def hosts() -> None:
    """Look at machines that are reached by SSH."""


@app.command("check")
def check(
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="TOML file that names the hosts.", show_default=False)
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="USER@ADDRESS[:PORT]", help="One host, in an inventory's place.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="SSH private key; your agent's and usual ones when absent.")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", "-p", help="Say whether this profile's plan fits.")] = "",
    sudo_password_file: Annotated[
        Path | None,
        typer.Option(
            "--sudo-password-file",
            help="File that holds the password that sudo asks for; `-` to be asked.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Connect to hosts, read what they are, and say whether they fit. Nothing is changed on them.

    A host's key is shown and asked about at first contact, then pinned. Without a terminal it must stand in the
    inventory (`host_key`). A key that changed stops the connection. Exits with 1 if a host does not fit.

    \b
    Examples:
      deploy hosts check --host ops@192.0.2.10
      deploy hosts check --inventory hosts.toml --profile 2xh200 --json
    """
    from cli.secrets_input import sudo_password
    from cli.show import emit_json
    from lifecycle.home import Home
    from lifecycle.hosts.check import check as look
    from lifecycle.hosts.pins import Pins
    from lifecycle.hosts.ssh import Login

    named, needs = _inventory(inventory, host), _needs(profile)
    login = Login(
        pins=Pins(Home.of_user().known_hosts),
        confirm=_confirm,
        key_file=key,
        sudo_password=sudo_password(sudo_password_file),
    )
    report = look(named, login, needs=needs, profile=profile)  # no moving picture: it may ask about a host key
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.fits else 1)


def _inventory(path: Path | None, host: str) -> Inventory:
    from lifecycle.hosts.inventory import Inventory, host_from_words, parse_inventory
    from planner.errors import UsageError

    if (path is None) == (not host):
        raise UsageError("which hosts? give either --inventory or --host", hint="`deploy hosts check --help`")
    if path is None:
        return Inventory(host=(host_from_words(host),))
    try:
        return parse_inventory(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="It is a TOML file with `[[host]]` tables.") from None


def _needs(profile: str) -> Needs | None:
    if not profile:
        return None
    from lifecycle.hosts.fit import needs_of
    from lifecycle.profiles import load_profile
    from planner.catalogue import load_catalogue
    from planner.make_plan import Site, make_plan

    catalogue = load_catalogue()
    return needs_of(make_plan(load_profile(profile), catalogue, Site(stack="default")), catalogue)


def _confirm(host: Host, fingerprint: str) -> bool:
    from cli.show import confirm

    return confirm(f"{host.name} ({host.address}) shows the host key {fingerprint}. Is that its own?")


def _show(report: HostsReport) -> None:
    from cli.show import show, table

    marks = {"ok": "ok", "note": "note", "no": "NO"}
    for one in report.hosts:
        rows = [(v.what, marks[v.state], v.found, v.remedy) for v in one.verdicts]
        rows += [("connection", "NO", one.error, one.hint)] if one.error else []
        title = f"{one.name} ({one.address}): {'fits' if one.fits else 'does not fit'}"
        show(table(["what", "verdict", "found", "what to do"], rows, title=title))
