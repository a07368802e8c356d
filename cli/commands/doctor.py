"""`deploy doctor`."""

from __future__ import annotations

from cli.options import Json


def doctor(as_json: Json = False) -> None:
    """Look at this machine: what a stack needs, what is there, what is missing and how to get it.

    \b
    Example:
      deploy doctor
    """
    import typer

    from cli.show import emit_json, show, table
    from lifecycle.doctor import examine
    from lifecycle.home import Home

    findings = examine(Home.of_user())
    ok = all(finding.ok or not finding.needed for finding in findings)
    if as_json:
        emit_json({"ok": ok, "checks": findings})
    else:
        rows = [(f.what, "ok" if f.ok else "MISSING" if f.needed else "note", f.detail) for f in findings]
        show(table(["what", "state", "detail"], rows))
    raise typer.Exit(0 if ok else 1)
