"""`deploy sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, Stack, Yes

if TYPE_CHECKING:
    from lifecycle.sweep import SweepReport


def sweep(
    stack: Stack = DEFAULT_STACK,
    all_stacks: Annotated[
        bool, typer.Option("--all-stacks", help="Look for what any stack of the toolkit left, by its tag.")
    ] = False,
    region: Annotated[
        str,
        typer.Option(
            "--region",
            metavar="REGION",
            help="Look in this region of the account that your AWS credentials lead to.",
            show_default="the stack's account and region; without such a stack, the region of your AWS settings",
        ),
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what is left. Stacks of this machine are never touched.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Look through an account for what is left of stacks, and what it costs; delete it only if told so.

    Every kind of thing that a stack makes is looked at, by the tag `cloister:stack`; what carries no such tag is never
    touched, and neither is a stack that has its folder on this machine (`deploy down` takes that away). Capacity Blocks
    are shown and never cancelled. Exits with 5 if something is left, or could not be looked at.

    \b
    Examples:
      deploy sweep --all-stacks --region us-east-2
      deploy sweep --all-stacks --region us-east-2 --delete
      deploy sweep --stack lost --region us-east-2 --delete --yes --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle import sweep as verb
    from lifecycle.home import Home
    from planner.errors import ExitCode, UsageError

    if yes and not delete:
        raise UsageError("--yes agrees to nothing without --delete", hint="Add --delete, or leave --yes out.")
    home = Home.of_user()
    with progress_view() as progress:
        place = verb.place_of(home.stack(stack), region, all_stacks=all_stacks)
        report = verb.sweep(home, place, progress)
    names = [one.stack for one in report.leftovers]
    if delete and names:
        _agree(report, yes=yes)
        with progress_view() as progress:
            report = verb.take_away(home, place, names, progress)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(ExitCode.OK if report.ok else ExitCode.LEFTOVERS)


def _agree(report: SweepReport, *, yes: bool) -> None:
    """Have the deletion agreed to.

    Raises:
        DeployError: nobody agreed, or there is nobody to ask.

    """
    import sys

    from cli.show import confirm
    from planner.errors import DeployError, UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nothing is deleted without being agreed to", hint="Add --yes.", code="not_agreed")
    _show(report)
    count = sum(len(one.things) for one in report.leftovers)
    names = ", ".join(one.stack for one in report.leftovers)
    if not confirm(f"Delete these {count} things of {names} in account {report.account}, {report.region}?"):
        raise DeployError("not agreed: nothing was deleted", hint="", code="not_agreed")


def _show(report: SweepReport) -> None:
    from cli.show import show, table

    where = f"account {report.account}, {report.region}"
    rows = [
        (
            one.stack,
            thing.kind,
            thing.id,
            thing.detail,
            _usd(thing.usd_per_month),
            thing.why or _state(one.in_use, one.elsewhere),
        )
        for one in report.stacks
        for thing in one.things
    ]
    rows += [
        ("", thing.kind, thing.id, thing.detail, _usd(thing.usd_per_month), thing.why)
        for thing in report.looked.left
        if not thing.stack
    ]
    rows += [(thing.stack, thing.kind, thing.id, thing.detail, "", thing.why) for thing in report.looked.kept]
    rows += [
        (thing.stack, thing.kind, thing.id, thing.detail, _usd(thing.usd_per_month), "no tag: shown, never touched")
        for thing in report.looked.untagged
    ]
    if rows:
        show(table(["stack", "what", "id", "", "USD/month", ""], rows, title=where, named=True))
    for kind in report.looked.not_looked_at:
        show(f"not looked at: {kind.title}: {kind.why_not}")
    for one in report.looked.scheduled:
        show(f"{one.kind} {one.id} cannot be used any more, and is gone on {one.gone_on:%Y-%m-%d}")
    left, cost = sum(len(one.things) for one in report.leftovers), sum(one.usd_per_month for one in report.leftovers)
    looked = sum(kind.looked_at or 0 for kind in report.looked.kinds)
    if report.ok:
        show(f"{where}: nothing is left ({looked} things of {len(report.looked.kinds)} kinds, {report.seconds:.1f} s)")
    elif left:
        show(f"{where}: {left} things are left, {cost:,.2f} USD/month as far as prices are known")
    for certificate in report.certificates:
        show(f"certificate: {certificate}")


def _usd(amount: float | None) -> str:
    return "not known" if amount is None else f"{amount:,.2f}" if amount else ""


def _state(in_use: bool, elsewhere: bool) -> str:
    if in_use:
        return "in use on this machine"
    return "belongs to no region: look with --stack" if elsewhere else ""
