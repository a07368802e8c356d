"""`deploy capacity find | buy | extend | show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Yes

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from lifecycle.capacity import ExtendReport, FindReport, ShowReport
    from planner.capacity import Drain

app = typer.Typer(help="Capacity Blocks on AWS: GPU nodes for a fixed time, paid up front.", no_args_is_help=True)

ForProfile = Annotated[
    str, typer.Option("--profile", "-p", help="Profile whose region and account are asked.", show_default=False)
]
Reservation = Annotated[str, typer.Argument(help="Id of the reservation: cr-...")]
MaxPrice = Annotated[
    str, typer.Option("--max-price", metavar="USD", help="Highest fee, for the whole block.", show_default=False)
]


@app.callback()
def capacity() -> None:
    """Capacity Blocks on AWS: GPU nodes for a fixed time, paid up front."""


@app.command("find")
def find(
    profile: ForProfile,
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="Earliest start, UTC: 2026-12-01 or 2026-12-01T11:30.")
    ] = "",
    hours: Annotated[int, typer.Option("--hours", min=24, max=4368, help="Length: whole days, from 24.")] = 24,
    max_price: MaxPrice = "",
    as_json: Json = False,
) -> None:
    """List the Capacity Blocks for sale that a profile's nodes would run in, with their fee and end.

    \b
    Examples:
      deploy capacity find --profile 2xh200
      deploy capacity find --profile 2xh200 --start 2026-12-01 --hours 168 --max-price 7000 --json
    """
    from datetime import UTC, datetime

    from cli.show import emit_json
    from lifecycle import capacity as verbs
    from lifecycle.home import Home

    report = verbs.find(
        Home.of_user(),
        profile,
        hours=hours,
        start=_moment(start) if start else None,
        max_price=_usd(max_price),
        now=datetime.now(UTC),
    )
    if as_json:
        emit_json(report)
    else:
        _show_found(report)


@app.command("buy")
def buy(
    offering: Annotated[str, typer.Argument(help="Id of an offering, as `find` lists it.")],
    max_price: MaxPrice = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Buy a Capacity Block. The fee is charged at once; a block can neither be cancelled nor given back.

    The fee is asked to be typed. Without a terminal, or with --yes, --max-price must say what may be paid.

    \b
    Examples:
      deploy capacity buy cbo-0123456789abcdef0
      deploy capacity buy cbo-0123456789abcdef0 --yes --max-price 7000
    """
    from datetime import UTC, datetime

    from cli.show import card, emit_json, show
    from lifecycle import capacity as verbs
    from lifecycle.home import Home
    from planner.capacity import moment

    found = verbs.offered(Home.of_user(), offering, datetime.now(UTC))
    block = found.offering
    told = [
        ("account", f"{found.account}, {found.region}"),
        ("machines", f"{block.count} x {block.instance_type} in {block.zone}"),
        ("window", f"{moment(block.start)} to {moment(block.end)} ({block.hours} h)"),
        *_leaving(found.drain),
        ("fee", f"{block.fee} {block.currency}, charged at once; {block.per_instance_hour:.2f} per machine and hour"),
        ("cancel", "never: a block is neither cancelled nor given back, used or not"),
    ]
    _agree(block.fee, told, yes=yes, max_price=_usd(max_price))
    report = verbs.buy(found)
    if as_json:
        emit_json(report)
        return
    held = report.reservation
    rows = [
        ("reservation", f"{held.id}, {held.state}"),
        ("in the profile", "[aws]"),
        ("", 'capacity = "capacity-block"'),
        ("", f'reservation_id = "{held.id}"'),
        ("", f'zone = "{held.zone}"'),
        ("look at it", f"deploy capacity show {held.id} --profile {found.profile}"),
    ]
    show(card("Bought", rows))


@app.command("extend")
def extend(
    reservation: Reservation,
    profile: ForProfile,
    hours: Annotated[int, typer.Option("--hours", min=24, max=4368, help="More hours: whole days, from 24.")] = 24,
    max_price: MaxPrice = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Buy more time for a Capacity Block, from its end on and under the same id: an hour before the end at the latest.

    The fee is asked to be typed, as by `buy`. Nodes of this machine's stacks that run in the block are told its new end
    through the tunnel, so that they take requests until then; elsewhere `deploy up` tells them.

    \b
    Examples:
      deploy capacity extend cr-0123456789abcdef0 --profile 2xh200 --hours 48
      deploy capacity extend cr-0123456789abcdef0 --profile 2xh200 --yes --max-price 1000
    """
    from datetime import UTC, datetime

    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle import capacity as verbs
    from lifecycle.home import Home
    from planner.capacity import moment

    for_sale = verbs.extension(profile, reservation, hours=hours, now=datetime.now(UTC))
    more = for_sale.extension
    told = [
        ("account", f"{for_sale.caller.account}, {for_sale.caller.region}"),
        ("block", reservation),
        ("longer", f"from {moment(more.start)} to {moment(more.end)} ({more.hours} h)"),
        *_leaving(for_sale.drain),
        ("fee", f"{more.fee} {more.currency}, charged at once"),
        ("cancel", "never: it is neither cancelled nor given back, used or not"),
    ]
    _agree(more.fee, told, yes=yes, max_price=_usd(max_price))
    with progress_view() as progress:
        report = verbs.extend(for_sale, Home.of_user(), progress)
    if as_json:
        emit_json(report)
    else:
        _show_extended(report)


@app.command("show")
def show_(reservation: Reservation, profile: ForProfile, as_json: Json = False) -> None:
    """Show a reservation or Capacity Block: its state, its window, and when its nodes must be left.

    \b
    Examples:
      deploy capacity show cr-0123456789abcdef0 --profile 2xh200
      deploy capacity show cr-0123456789abcdef0 --profile 2xh200 --json
    """
    from cli.show import emit_json
    from lifecycle import capacity as verbs

    report = verbs.show(profile, reservation)
    if as_json:
        emit_json(report)
    else:
        _show_held(report)


def _moment(text: str) -> datetime:
    """Read a date or a moment, in UTC unless it says otherwise."""
    from datetime import UTC, datetime

    from planner.errors import UsageError

    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--start {text!r} is no date", hint="Write it as 2026-12-01 or 2026-12-01T11:30, in UTC."
        ) from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _usd(text: str) -> Decimal | None:
    """Read an amount of USD; None for no limit."""
    from decimal import Decimal, InvalidOperation

    from planner.errors import UsageError

    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"--max-price {text!r} is no amount", hint="Write USD as 7000 or 6990.48.")
    return amount


def _agree(fee: Decimal, told: list[tuple[str, str]], *, yes: bool, max_price: Decimal | None) -> None:
    """Show what is bought, and have the fee typed, or compare it with what may be paid.

    Raises:
        DeployError: the fee is too high, nobody agreed to it, or there is nobody to ask.

    """
    import sys
    from decimal import Decimal, InvalidOperation

    from rich.console import Console

    from cli.show import card
    from planner.errors import DeployError, UsageError

    if max_price is not None and fee > max_price:
        raise DeployError(
            f"the fee of {fee} USD is more than --max-price {max_price}",
            hint="Nothing was bought. `deploy capacity find --max-price` lists what costs no more.",
            code="too_expensive",
        )
    if yes and max_price is not None:
        return
    if yes or not sys.stdin.isatty():
        raise UsageError(
            f"a fee of {fee} USD is not paid without a limit",
            hint="Nothing was bought. Give both --yes and --max-price USD, or type the fee on a terminal.",
            code="no_max_price",
        )
    Console(stderr=True, highlight=False).print(card("To be paid", told, style="yellow"))
    typed = str(typer.prompt("Type the fee to buy", default="", show_default=False, err=True))
    try:
        agreed = Decimal(typed.strip().removesuffix("USD").strip()) == fee
    except InvalidOperation:
        agreed = False
    if not agreed:
        raise DeployError(f"{typed!r} is not the fee of {fee}", hint="Nothing was bought.", code="not_agreed")


def _leaving(drain: Drain) -> list[tuple[str, str]]:
    """Say when nodes are left."""
    from planner.capacity import moment

    return [
        ("drain", f"no new requests from {moment(drain.stop_taking_at)}"),
        ("reclaim", f"AWS takes instances back from {moment(drain.reclaim_at)}"),
        ("extend", f"until {moment(drain.extend_until)}"),
        ("end", moment(drain.end)),
    ]


def _show_found(report: FindReport) -> None:
    from cli.show import show, table
    from planner.capacity import RECLAIM_BEFORE

    search = report.search
    what = f"{search.count} x {search.instance_type}, {search.hours} h, account {report.account}, {report.region}"
    if not report.offerings:
        show(f"nothing for sale: {what}", "Try other --hours or a later --start, or another region (`aws.region`).")
        return
    rows = [
        (
            one.id,
            one.zone,
            f"{one.start:%Y-%m-%d %H:%M}",
            f"{one.end:%m-%d %H:%M}",
            str(one.fee),
        )
        for one in report.offerings
    ]
    columns = ["offering", "zone", "start, UTC", "end, UTC", "fee, USD"]
    show(table(columns, rows, title=what, named=True))
    show(f"AWS takes instances back from {RECLAIM_BEFORE.seconds // 60} minutes before the end.")
    show(f"buy one: deploy capacity buy {report.offerings[0].id}")


def _show_extended(report: ExtendReport) -> None:
    """Say what was bought, and which nodes know of it. It exits with 0 whichever do: it must not be bought again."""
    from cli.show import card, show

    rows = [("block", report.extension.reservation_id), ("payment", report.payment), *_leaving(report.drain)]
    rows += [
        ("nodes told", f"{one.stack}: {', '.join(one.nodes)}")
        if not one.why_not
        else ("NOT told", f"{one.stack}: {one.why_not}; `deploy up --stack {one.stack}` tells them")
        for one in report.nodes
    ]
    if not report.moved:
        rows.append(
            ("not yet", "the block still has its old end; when it has the new one, `deploy up` tells its nodes")
        )
    show(card("Extended", rows))


def _show_held(report: ShowReport) -> None:
    from cli.show import card, show
    from planner.capacity import moment

    held = report.reservation
    rows = [
        ("account", f"{report.account}, {report.region}"),
        ("kind", held.kind),
        ("state", held.state),
        ("machines", f"{held.total} x {held.instance_type} in {held.zone}, {held.available} free"),
        ("start", moment(held.start)),
    ]
    if report.drain:
        rows += _leaving(report.drain)
    else:
        rows.append(("end", moment(held.end) if held.end else "when it is cancelled; it bills until then, used or not"))
    show(card(held.id, rows))
