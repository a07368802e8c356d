"""`deploy doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json

Install = Annotated[
    bool,
    typer.Option(
        "--install",
        help="Install Pulumi's CLI and its plugin aws where they are missing: from their official releases, in the "
        "pinned versions, checked against their publisher's checksums.",
    ),
]


def doctor(install: Install = False, as_json: Json = False) -> None:
    """Look at this machine: what a stack needs, what is there, what is missing and how to get it.

    Stacks on AWS need Pulumi's CLI and its plugin aws. Nothing is downloaded without --install; the commands that it
    stands for are printed.

    \b
    Examples:
      deploy doctor
      deploy doctor --install
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, emit_text, show, table
    from lifecycle.doctor import examine, missing
    from lifecycle.home import Home
    from lifecycle.pulumi_install import install as fetch_and_check

    home = Home.of_user()
    if install:
        with progress_view() as progress:
            for release in missing(home):
                fetch_and_check(release, progress)
    findings = examine(home)
    ok = all(finding.ok or not finding.needed for finding in findings)
    if as_json:
        emit_json({"ok": ok, "checks": findings})
    else:
        rows = [(f.what, "ok" if f.ok else "MISSING" if f.needed else "note", f.detail) for f in findings]
        show(table(["what", "state", "detail"], rows))
        if lacking := missing(home):
            commands = "\n".join(f"# {release.what}\n{release.commands()}" for release in lacking)
            emit_text(f"For AWS, `deploy doctor --install` does this:\n\n{commands}")
    raise typer.Exit(0 if ok else 1)
