"""`deploy bundle make | seal | verify | push`."""

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
    """Make, seal, verify and push what hosts install from that reach no internet: a folder and its manifest."""


@app.command("make")
def make(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Profile whose services the bundle is for.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the bundle.", show_default=False)],
    codename: Annotated[
        list[str] | None,
        typer.Option("--codename", help="Release that hosts run: bookworm, trixie, noble. May be repeated."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="DIR", help="The model's files; those of `deploy weights fetch` otherwise."),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option("--mirror", metavar="CODENAME=URL", help="Archive of a release that this machine's apt lacks."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Collect everything that a profile's hosts need, so that they install without a network, and seal it.

    In it are Python packages and packages of the distribution with all that they depend on, the programs, the weights,
    and what engines would fetch while they run; with licences, and a bill of materials in CycloneDX. Every download is
    checked. An interrupted run goes on, and the same inputs give the same bundle.

    \b
    Examples:
      deploy bundle make --profile 2xh200 --out ./bundle
      deploy bundle make --profile 2xh200 --out ./bundle --codename bookworm --codename trixie --weights /data/weights
    """
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, emit_text, show
    from lifecycle.bundle.for_profile import make_for_profile
    from lifecycle.bundle.meter import gigabytes
    from lifecycle.home import Home

    mirrors = _pairs(mirror or [], "--mirror", "CODENAME=URL")
    with progress_view() as progress:
        report = make_for_profile(
            Home.of_user(),
            profile,
            out,
            progress,
            codenames=codename or ["bookworm"],
            weights=weights,
            mirrors=mirrors,
        )
    if as_json:
        emit_json(report)
        return
    rows = [
        ("files", f"{report.files}, {gigabytes(report.size)}"),
        ("components", f"{report.components}; {len(report.without_licence)} do not say their licence"),
        *(("not in it", one) for one in report.lacking),
        *(("mind", one) for one in report.remarks),
    ]
    show(card("Made", rows))
    emit_text(f"bundle {report.bundle}")


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

    licences = _pairs(licence or [], "--licence", "PATH=NAME")
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


def _pairs(words: list[str], option: str, form: str) -> dict[str, str]:
    from planner.errors import UsageError

    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            example = "weights=apache-2.0" if option == "--licence" else "noble=http://archive.example/ubuntu"
            raise UsageError(f"{option} {word!r} is not {form}", hint=f"For example {option} {example}.")
        found[name.strip("/")] = value
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
