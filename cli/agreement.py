"""Agreeing to what a stack costs: typed on a terminal, or limited beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lifecycle.planning import PlanReport
    from planner.bill import Bill


def agree_to_bill(report: PlanReport, *, yes: bool, max_cost: float | None) -> bool:
    """Show whose account it is and what it costs, and have the stack's name typed, or compare with what may be paid.

    Nothing is asked where nothing would be made or changed.

    Args:
        report: what is to be made.
        yes: do not ask; a limit must be given then, unless nothing more is to be paid.
        max_cost: most that is agreed to for the worst case that is shown, in USD; None for no limit.

    Returns:
        False where the name that was typed is another one.

    Raises:
        DeployError: the worst case is above the limit, or nobody knows it.
        UsageError: there is nobody to ask, and no limit.

    """
    import sys

    import typer
    from rich.console import Console

    from cli.show import card
    from planner.bill import check_bill
    from planner.errors import UsageError

    if not any(count for op, count in report.changes.items() if op != "same"):
        return True
    if max_cost is not None:
        check_bill(report.bill, max_cost)
    if yes and (max_cost is not None or report.bill.usd_per_hour == 0):
        return True
    if yes or not sys.stdin.isatty():
        raise UsageError(
            "nothing is made on AWS without somebody who agrees to the bill",
            hint="Nothing was created. Give both --yes and --max-cost USD, or answer on a terminal.",
            code="no_max_cost",
        )
    Console(stderr=True, highlight=False).print(card("To be agreed to", told(report), style="yellow"))
    name = report.plan.stack
    typed = str(typer.prompt(f"Type the stack's name ({name}) to go on", default="", show_default=False, err=True))
    return typed.strip() == name


def agree_to_hosts(report: PlanReport, *, yes: bool) -> bool:
    """Show which hosts are to be changed, and have the stack's name typed.

    Args:
        report: what is to be made.
        yes: do not ask.

    Returns:
        False where the name that was typed is another one.

    Raises:
        UsageError: there is nobody to ask.

    """
    import sys

    import typer
    from rich.console import Console

    from cli.show import card
    from planner.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "no host is changed without somebody who agrees to it",
            hint="Nothing was changed. Give --yes, or answer on a terminal: `deploy hosts check` says what it is.",
            code="not_agreed",
        )
    Console(stderr=True, highlight=False).print(card("To be agreed to", hosts_told(report), style="yellow"))
    name = report.plan.stack
    typed = str(typer.prompt(f"Type the stack's name ({name}) to go on", default="", show_default=False, err=True))
    return typed.strip() == name


def hosts_told(report: PlanReport) -> list[tuple[str, str]]:
    """Say which hosts are changed, how, and how they get back."""
    plan = report.plan
    return [
        *((host.name, f"endpoint on {host.address}, port {plan.network.gateway_port}") for host in plan.hosts),
        ("clients", ", ".join(plan.network.client_cidrs)),
        (
            "changes",
            "packages, kernel settings, auditing, SSH by keys alone, a firewall that denies both ways, services",
        ),
        ("way back", "`deploy down`: the state before is kept on each host and here"),
    ]


def told(report: PlanReport) -> list[tuple[str, str]]:
    """Say whose account it is, what is made there, and what that costs."""
    from planner.capacity import moment

    plan = report.plan
    work = ", ".join(f"{count} to {op}" for op, count in report.changes.items() if op != "same")
    rows = [
        ("account", f"{plan.account.number}, {plan.network.region}"),
        ("machines", f"{len(plan.nodes)} x {plan.nodes[0].instance_type}, {plan.nodes[0].capacity}"),
        ("resources", work),
        *bill_rows(report.bill),
    ]
    if plan.nodes[0].capacity == "capacity-block":
        rows.append(("paid", "the Capacity Block was paid when it was bought: its nodes cost nothing more"))
    if report.room and report.room.drain:
        drain = report.room.drain
        rows.append(("block ends", f"{moment(drain.end)}; AWS takes instances back from {moment(drain.reclaim_at)}"))
        rows.append(("drain", f"no new requests from {moment(drain.stop_taking_at)}"))
    return rows


def bill_rows(bill: Bill) -> list[tuple[str, str]]:
    """Say what the machines cost by the hour, by the day, and at most."""
    if bill.usd_per_hour is None or bill.usd_per_day is None or bill.worst_usd is None:
        return [("price", "unknown: the catalogue has none for these machines")]
    until = f"in {bill.hours:g} h" if bill.ends else f"in a month ({bill.hours:g} h): nothing stops it by itself"
    return [
        ("per hour", f"{bill.usd_per_hour:,.2f} USD, for the machines"),
        ("per day", f"{bill.usd_per_day:,.2f} USD, for the machines"),
        (
            "beside them",
            f"{bill.beside_usd_per_hour * 24:,.2f} USD per day, for endpoints, disks, key, logs; not traffic",
        ),
        ("worst case", f"{bill.worst_usd:,.2f} USD {until}"),
    ]
