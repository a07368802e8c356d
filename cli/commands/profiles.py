"""`deploy profiles` and `deploy profiles show`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json

app = typer.Typer(
    help="List the shipped profiles, or show one.\n\n\b\nExamples:\n  deploy profiles\n  deploy profiles show 2xh200",
    invoke_without_command=True,
)


@app.callback()
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the shipped profiles."""
    from cli.show import emit_json, show, table
    from lifecycle.profiles import load_profile, shipped_names

    if context.invoked_subcommand:
        return
    profiles = [load_profile(name) for name in shipped_names()]
    if as_json:
        keys = ("name", "description", "model", "hardware")
        emit_json({"profiles": [{key: getattr(profile, key) for key in keys} for profile in profiles]})
        return
    rows = [(p.name, p.model.name, f"{p.hardware.count} x {p.hardware.gpu}", p.description) for p in profiles]
    show(table(["profile", "model", "GPUs", "what it is"], rows))


@app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="A shipped profile's name, or a file.")],
    as_json: Json = False,
) -> None:
    """Print a profile as it is written; with --json, every field with its default filled in.

    \b
    Example:
      deploy profiles show 2xh200 > mine.toml
    """
    from cli.show import emit_json, emit_text
    from lifecycle.profiles import load_profile, profile_text

    profile = load_profile(name)
    if as_json:
        emit_json(profile)
    else:
        emit_text(profile_text(name).text)
