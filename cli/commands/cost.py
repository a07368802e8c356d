"""`deploy cost`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AcceptLicence, Json, ProfileName

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner.cost import CostReport, Way
    from planner.ranges import Range


def cost(
    profile: ProfileName,
    target: Annotated[
        str, typer.Option("--target", "-t", help="aws; metal: bought and rented machines; sandbox: as aws, here free.")
    ] = "sandbox",
    demand: Annotated[
        list[str] | None,
        typer.Option("--demand", metavar="FIELD=VALUE", help="A field of [demand], for example tokens_per_day=20M."),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="A TOML file of your own prices and machines.")
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217; converted by a dated rate.")] = "USD",
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
) -> None:
    """Say what a profile's machines cost: per hour, month, 24 months, and per million tokens.

    \b
    Examples:
      deploy cost --profile 2xh200
      deploy cost --profile 2xh200 --target metal --currency EUR
      deploy cost --profile 2xh200 --demand peak_concurrency=64 --demand tokens_per_day=20M --json
    """
    from cli.show import emit_json, show
    from lifecycle.cost import cost_report
    from planner.errors import UsageError

    fields = {}
    for text in demand or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--demand: {text!r} is no FIELD=VALUE", hint="Write --demand tokens_per_day=20M.")
        fields[name] = value
    report = cost_report(profile, target, fields, prices=prices, currency=currency, accept_licence=accept_licence)
    if as_json:
        emit_json(report)
    else:
        show(*_page(report))


def _page(report: CostReport) -> list[RenderableType]:
    """Lay out every way to have the machines, then what the figures rest on."""
    from cli.show import table
    from cli.views import beside

    money = report.currency
    work = f"{report.replicas} replica{'s' if report.replicas > 1 else ''} of {report.gpus_per_replica} x {report.gpu}"
    page: list[RenderableType] = [f"{report.profile}: {work}"]
    if report.target == "sandbox":
        page.append("In the sandbox: nothing. On AWS:")
    page.append(
        table(
            ["machines", "how", f"{money}/h", f"{money}/month", f"{money}/24 months", "per M tokens, full", "expected"],
            [_row(way) for way in report.ways],
        )
    )
    page += [
        f"{way.host} is paid whole, and {way.idle_gpus} of its GPUs would idle: `hardware.replicas = {way.room}` fills "
        "it, at the same price."
        for way in _idle(report)
    ]
    page += [f"{way.host} of {way.provider} does not fit the data: {'; '.join(way.misfits)}." for way in _unfit(report)]
    page += beside(report.beside)
    if report.unpriced:
        page.append(f"No price known: {', '.join(report.unpriced)}. Give yours with --prices.")
    if report.tokens_per_s:
        page.append(f"Full: {_bounds(report.tokens_per_s, 0)} generated tokens/s within the demand's latency.")
    page.append(f"Expected: {report.utilisation:.1%} of that, {report.utilisation_basis}.")
    page.append(report.basis)
    page += [f"Source of {way.host} {way.capacity}: {_source(way)}." for way in report.ways]
    page.append("Not counted: " + "; ".join(report.not_counted) + ".")
    return page


def _row(way: Way) -> tuple[str, ...]:
    where = f" {', '.join(way.regions)}" if way.regions else ""
    unsure = " (does not fit the data)" if way.misfits else "" if way.verified else " (unverified)"
    return (
        f"{way.machines} x {way.host}, {way.provider}",
        f"{way.capacity}{where}{unsure}",
        _bounds(way.per_hour, 2),
        _bounds(way.per_month, 0),
        _bounds(way.per_24_months, 0),
        _bounds(way.per_million_full, 2) if way.per_million_full else "unknown",
        _bounds(way.per_million_expected, 2) if way.per_million_expected else "unknown",
    )


def _idle(report: CostReport) -> list[Way]:
    """Return one way of each machine that is not filled."""
    return list({way.host: way for way in report.ways if way.idle_gpus}.values())


def _unfit(report: CostReport) -> list[Way]:
    """Return one way of each machine whose provider does not fit the profile's data."""
    return list({way.host: way for way in report.ways if way.misfits}.values())


def _bounds(bounds: Range, digits: int) -> str:
    if bounds.low == bounds.high:
        return f"{bounds.typical:,.{digits}f}"
    return f"{bounds.typical:,.{digits}f} ({bounds.low:,.{digits}f} to {bounds.high:,.{digits}f})"


def _source(way: Way) -> str:
    sure = "" if way.verified else ", not a primary source"
    return f"{way.source}, {way.as_of}{sure}"
