"""`deploy up`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    DEFAULT_STACK,
    AcceptLicence,
    Backend,
    HostsKey,
    InventoryFile,
    Json,
    MaxCost,
    OneHost,
    ProfileName,
    SecretsProvider,
    Stack,
    SudoPasswordFile,
    Target,
    Ttl,
    Until,
    UpstreamKeyEnv,
    UpstreamUrl,
    Yes,
    confirm_host_key,
    inventory_of,
    stack_with_sudo,
    target_of,
)

if TYPE_CHECKING:
    from lifecycle.planning import PlanReport

BundleFolder = Annotated[
    Path | None,
    typer.Option(
        "--bundle", help="Folder of the bundle that hosts install from (`deploy bundle make`).", show_default=False
    ),
]


def up(
    profile: ProfileName = "",
    stack: Stack = DEFAULT_STACK,
    target: Target = "",
    inventory: InventoryFile = None,
    host: OneHost = "",
    key: HostsKey = None,
    bundle: BundleFolder = None,
    sudo_password_file: SudoPasswordFile = None,
    upstream: UpstreamUrl = "",
    upstream_key_env: UpstreamKeyEnv = "",
    accept_licence: AcceptLicence = False,
    ttl: Ttl = "",
    until: Until = "",
    max_cost: MaxCost = None,
    backend: Backend = "",
    secrets_provider: SecretsProvider = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring a stack up: from a profile to a running, authenticated, observed endpoint.

    Shows the plan first. May be run again at any time: it goes on where it was stopped, changes only what differs, and
    does nothing when nothing differs. Without --profile, the stack's own profile is taken again.

    On AWS it works with the credentials that AWS's own tools would take (AWS_PROFILE, single sign-on, assumed roles),
    and stores none. The stack stays in the account and region that it was begun in. What it costs is shown, and agreed
    to by typing the stack's name, or with --yes and --max-cost together.

    On hosts that SSH reaches (--target metal) everything is looked at before anything is changed: a host that does not
    fit is refused. What it was like is kept, for `deploy down`. A host's key is shown and asked about at first contact,
    or stands in the inventory. Where sudo wants a password, --sudo-password-file names a file with it; it is tried once
    before anything is changed. What is to be done is agreed to by typing the stack's name, or with --yes.

    With --ttl, --until or --max-cost, the account is told to end the machines before the first of them is started;
    `deploy extend` moves that deadline, `deploy reap` takes away the rest after it.

    \b
    Examples:
      deploy up --profile 2xh200
      deploy up --profile poc --ttl 8h
      deploy up --profile ./mine.toml --stack team-a
      deploy up --profile poc --upstream http://127.0.0.1:11434
      deploy up --profile 2xh200 --target metal --inventory hosts.toml --bundle ./bundle
      deploy up --profile poc --target metal --host ops@192.0.2.10
      deploy up --profile 2xh200 --target aws
      deploy up --profile 2xh200 --target aws --yes --max-cost 50000
    """
    from cli.agreement import agree_to_bill, agree_to_hosts
    from cli.progress_view import progress_view
    from cli.show import card, emit_json, show
    from cli.views import next_steps, plan_summary
    from lifecycle.planning import Request
    from lifecycle.pulumi_place import state_choice
    from lifecycle.up import up as run

    home = stack_with_sudo(stack, sudo_password_file)
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
        bundle=str(bundle.absolute()) if bundle else "",
        confirm=confirm_host_key,
        state=state_choice(backend, secrets_provider),
    )
    with progress_view() as progress:

        def agree(report: PlanReport) -> bool:
            progress.note(plan_summary(report))
            if report.plan.target == "sandbox":
                return True
            with progress.paused():
                if report.plan.target == "metal":
                    return agree_to_hosts(report, yes=yes)
                return agree_to_bill(report, yes=yes, max_cost=max_cost)

        report = run(home, request, progress, agree=agree)
    if as_json:
        emit_json(report)
    else:
        show(card(f"stack {report.stack} is up ({report.seconds:.1f} s)", next_steps(report)))
