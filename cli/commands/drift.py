"""`deploy drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.options import DEFAULT_STACK, Json, Stack

if TYPE_CHECKING:
    from lifecycle.drift import DriftReport


def drift(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """List what was changed, deleted or added by hand in a stack's account; nothing is changed by looking.

    Exits with 7 if there is anything: `deploy up` changes it back and makes again what is gone; what was added by hand
    has to be deleted by hand, or goes with the stack where it carries its tag.

    \b
    Examples:
      deploy drift
      deploy drift --stack team-a --json
    """
    import typer

    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.drift import drift as look
    from lifecycle.home import Home
    from planner.errors import ExitCode

    with progress_view() as progress:
        report = look(Home.of_user().stack(stack), progress)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(ExitCode.OK if report.ok else ExitCode.DRIFTED)


def _show(report: DriftReport) -> None:
    from cli.show import show, table
    from cli.views import flags

    where = f"stack {report.stack}, account {report.account}, {report.region}"
    rows = [
        (
            "deleted" if one.op == "delete" else "changed",
            one.type.rpartition(":")[2],
            one.name,
            one.id,
            _values(one.was, one.now),
        )
        for one in report.changed
    ]
    rows += [("added", one.kind, "", one.id, one.detail) for one in report.added]
    if rows:
        show(table(["by hand", "what", "name", "id", "was -> is"], rows, title=where, named=True))
        show(f"change it back: deploy up{flags(report.stack)}; what was added stays until it is deleted by hand")
    elif report.ok:
        show(f"{where}: everything is as it was made ({report.seconds:.1f} s)")
    for why in report.not_looked_at:
        show(f"not looked at: {why}")
    if report.planned:
        planned = ", ".join(f"{change.op} {change.name}" for change in report.planned)
        show(f"beside that, the plan asks for {len(report.planned)} changes: {planned}")


def _values(was: dict[str, object], now: dict[str, object]) -> str:
    import json

    def short(value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        return text if len(text) <= 60 else f"{text[:57]}..."

    if not was:
        return ", ".join(now)
    return "; ".join(f"{key}: {short(was[key])} -> {short(now[key])}" for key in now)
