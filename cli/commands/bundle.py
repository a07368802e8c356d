"""`deploy bundle seal | verify | push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.bundle.check import VerifyBundleReport

app = typer.Typer(
    help="What hosts install from that reach no internet: a folder and its manifest.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The bundle's folder; weights lie below `weights/`.")]


@app.callback()
def bundle() -> None:
    """Seal, verify and push what hosts install from that reach no internet: a folder and its manifest."""


@app.command("seal")
def seal(
    folder: Folder,
    licence: Annotated[
        list[str] | None,
        typer.Option("--licence", metavar="PATH=NAME", help="Licence of a file or folder in it. May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the manifest of a folder: every file's size, SHA-256, kind and licence. Its digest is the bundle's id.

    Refused are symbolic links, paths that lead elsewhere, and pickles among weights: reading one runs what is in it.

    \b
    Examples:
      deploy bundle seal ./bundle --licence weights=apache-2.0
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, emit_text, show
    from lifecycle.bundle.check import seal as write_manifest
    from lifecycle.bundle.meter import gigabytes
    from lifecycle.home import Home

    licences = _licences(licence or [])
    with progress_view() as progress:
        report = write_manifest(Home.of_user(), folder, licences, progress)
    if as_json:
        emit_json(report)
        return
    rows = [
        ("files", f"{report.files}, {gigabytes(report.size)}"),
        ("without licence", f"{report.without_licence}"),
        ("next", f"deploy bundle push {folder} --profile ..."),
    ]
    show(card("Sealed", rows))
    emit_text(f"bundle {report.bundle}")


@app.command("verify")
def verify(
    folder: Folder,
    bundle_id: Annotated[
        str, typer.Option("--id", metavar="SHA256", help="The id that it must have.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Compare every file of a bundle with its manifest; names each that is missing, changed or extra.

    An interrupted run goes on where it was. Exits with 1 if anything differs.

    \b
    Examples:
      deploy bundle verify ./bundle
      deploy bundle verify ./bundle --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.bundle.check import verify as compare
    from lifecycle.home import Home

    with progress_view() as progress:
        report = compare(Home.of_user(), folder, progress, expected=bundle_id)
    if as_json:
        emit_json(report)
    else:
        _show_verified(report)
    raise typer.Exit(0 if report.ok else 1)


@app.command("push")
def push(
    folder: Folder,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile that names the region and the account.", show_default=False)
    ],
    stack: Stack = DEFAULT_STACK,
    part_mib: Annotated[
        int, typer.Option("--part-mib", min=5, max=5120, help="Files longer than this go in parts of it, in MiB.")
    ] = 64,
    connections: Annotated[int, typer.Option("--connections", min=1, max=64, help="Requests at once.")] = 8,
    as_json: Json = False,
) -> None:
    """Verify a bundle and put it into the bucket that a stack's nodes install from.

    What is there already is not sent again. After Ctrl-C or a failure the same command goes on with the parts that are
    missing. The manifest goes last: a bundle is in the bucket as a whole, or not at all.

    \b
    Examples:
      deploy bundle push ./bundle --profile 2xh200
      deploy bundle push ./bundle --profile 2xh200 --stack prod --connections 16 --json
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, emit_text, show
    from lifecycle.bundle.meter import gigabytes
    from lifecycle.bundle.push import push as send
    from lifecycle.home import Home

    with progress_view() as progress:
        report = send(Home.of_user(), folder, profile, stack, progress, part=part_mib * 2**20, connections=connections)
    if as_json:
        emit_json(report)
        return
    rows = [
        ("bucket", f"{report.bucket}, account {report.account}, {report.region}"),
        ("files", f"{report.files}, {gigabytes(report.size)}"),
        ("sent now", gigabytes(report.uploaded)),
    ]
    show(card("Pushed", rows))
    emit_text(f'# in the profile\n[bundle]\nid = "{report.bundle}"')


def _licences(words: list[str]) -> dict[str, str]:
    from planner.errors import UsageError

    found = {}
    for word in words:
        path, equals, name = word.partition("=")
        if not (path and equals and name):
            raise UsageError(f"--licence {word!r} is not PATH=NAME", hint="For example --licence weights=apache-2.0.")
        found[path.strip("/")] = name
    return found


def _show_verified(report: VerifyBundleReport) -> None:
    from cli.show import card, emit_text, show, table
    from lifecycle.bundle.meter import gigabytes

    if report.ok:
        rows = [("files", f"{report.files}, {gigabytes(report.size)}")]
        show(card("Every file is as the manifest says", rows))
        emit_text(f"bundle {report.bundle}")
        return
    wrong = [("missing", report.missing), ("changed", report.changed), ("extra", report.extra)]
    rows = [(path, what) for what, paths in wrong for path in paths]
    show(table(["file", "what"], rows, title=f"{report.folder} is not bundle {report.bundle}", named=True))
