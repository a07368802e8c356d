"""`deploy weights fetch | verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json

if TYPE_CHECKING:
    from lifecycle.weights import WeightsReport

app = typer.Typer(
    help="A model's weights: from the hub, of one commit, with every digest checked.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model of `deploy models`.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder of the weights; below the state folder otherwise.")
]


@app.callback()
def weights() -> None:
    """Fetch and verify a model's weights: of one commit, safetensors alone, with every digest checked."""


@app.command("fetch")
def fetch(
    model: Model,
    out: Out = None,
    revision: Annotated[
        str,
        typer.Option(
            help="Commit, branch or tag; the commit that was fetched before, or else the newest, when left out.",
            show_default=False,
        ),
    ] = "",
    accept_licence: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="You read the licence of that name, and may use it.", show_default=False
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Fetch a model's weights from the hub, of exactly one commit, and compare every file with the hub's own digest.

    A branch is turned into its commit first. After Ctrl-C or a failure the same command goes on, within files as well.
    A gated model takes a token that may read it, in the environment variable HF_TOKEN.

    \b
    Examples:
      deploy weights fetch gpt-oss-20b
      deploy weights fetch llama-3.3-70b --accept-licence Llama-3.3-Community --out /data/weights
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, emit_text, show
    from lifecycle.bundle.meter import gigabytes
    from lifecycle.home import Home
    from lifecycle.weights import fetch as get

    with progress_view() as progress:
        report = get(Home.of_user(), model, progress, folder=out, revision=revision, accepted=accept_licence)
    if as_json:
        emit_json(report)
        return
    rows = [
        ("from", f"{report.repository} at {report.revision}"),
        ("licence", report.licence),
        ("files", f"{report.files}, {gigabytes(report.size)}"),
        ("next", f"deploy bundle make --profile ... --weights {report.folder} --out DIR"),
    ]
    show(card("Fetched", rows))
    emit_text(report.folder)


@app.command("verify")
def verify(model: Model, out: Out = None, as_json: Json = False) -> None:
    """Compare a model's files with the digests that the hub had; names each that is missing, changed or extra.

    Exits with 1 if anything differs.

    \b
    Examples:
      deploy weights verify gpt-oss-20b
      deploy weights verify gpt-oss-20b --out /data/weights --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.home import Home
    from lifecycle.weights import folder_of
    from lifecycle.weights import verify as compare

    home = Home.of_user()
    with progress_view() as progress:
        report = compare(home, out or folder_of(home, model), progress)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else 1)


def _show(report: WeightsReport) -> None:
    from cli.show import card, show, table
    from lifecycle.bundle.meter import gigabytes

    if report.ok:
        rows = [("files", f"{report.files}, {gigabytes(report.size)}"), ("commit", report.revision)]
        show(card("Every file is as the hub had it", rows))
        return
    wrong = [("missing", report.missing), ("changed", report.changed), ("extra", report.extra)]
    rows = [(path, what) for what, paths in wrong for path in paths]
    show(table(["file", "what"], rows, title=f"{report.folder} is not {report.model}", named=True))
