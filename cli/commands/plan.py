"""`deploy plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import (
    DEFAULT_STACK,
    AcceptLicence,
    HostsKey,
    InventoryFile,
    Json,
    MaxCost,
    OneHost,
    ProfileName,
    Stack,
    Target,
    Ttl,
    Until,
    UpstreamKeyEnv,
    UpstreamUrl,
    confirm_host_key,
    inventory_of,
    target_of,
)

Uplink = Annotated[
    float | None,
    typer.Option(
        "--uplink", metavar="MBIT", min=0.1, help="Say how long weights take to the bucket, at so many Mbit/s."
    ),
]


def plan(
    profile: ProfileName = "",
    stack: Stack = DEFAULT_STACK,
    target: Target = "",
    inventory: InventoryFile = None,
    host: OneHost = "",
    key: HostsKey = None,
    upstream: UpstreamUrl = "",
    upstream_key_env: UpstreamKeyEnv = "",
    accept_licence: AcceptLicence = False,
    ttl: Ttl = "",
    until: Until = "",
    max_cost: MaxCost = None,
    uplink: Uplink = None,
    as_json: Json = False,
) -> None:
    """Show what `up` would do, and why: decisions, resources, services, policy verdicts, cost. Nothing is created.

    Exits with 3 if a mandatory policy is violated. On AWS the account is asked who it is, and whether its zones, quotas
    and reserved capacity have room for the nodes.

    \b
    Examples:
      deploy plan --profile 2xh200
      deploy plan --profile 2xh200 --target aws
      deploy plan --profile ./mine.toml --json
      deploy plan --profile poc --ttl 8h
      deploy plan --profile 2xh200 --uplink 1000
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json, show
    from cli.views import plan_page
    from lifecycle.home import Home
    from lifecycle.planning import Request, decide, judge, with_room
    from lifecycle.policies import rules_of
    from lifecycle.refusals import refuse_violations
    from planner.errors import DeployError, PolicyRefusedError
    from policies.run import refusals

    home = Home.of_user().stack(stack)
    request = Request(
        profile=profile,
        target=target_of(target),
        upstream_url=upstream,
        upstream_key_env=upstream_key_env,
        accept_licence=accept_licence,
        ttl=ttl,
        until=until,
        max_cost=max_cost,
        inventory=inventory_of(inventory, host),
        key=str(key.absolute()) if key else "",
        confirm=confirm_host_key,
    )
    decided, _ = decide(home, request)
    with progress_view() as progress:
        report = judge(decided, home, progress, uplink)
        try:
            report = with_room(report, progress)
        except DeployError:
            if not as_json:
                show(*plan_page(report))  # what is refused is worth seeing
            raise
    if as_json:  # one document, which holds the findings
        emit_json(report)
        raise typer.Exit(PolicyRefusedError.exit_code if refusals(report.findings) else 0)
    show(*plan_page(report))
    refuse_violations(report.findings, rules_of(report.plan))
