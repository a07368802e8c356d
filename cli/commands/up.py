"""`deploy up`."""

from __future__ import annotations

from cli.options import DEFAULT_STACK, AcceptLicence, Json, ProfileName, Stack, UpstreamKeyEnv, UpstreamUrl, Yes


def up(
    profile: ProfileName = "",
    stack: Stack = DEFAULT_STACK,
    upstream: UpstreamUrl = "",
    upstream_key_env: UpstreamKeyEnv = "",
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring a stack up: from a profile to a running, authenticated, observed endpoint.

    Shows the plan first. May be run again at any time: it goes on where it was stopped, changes only what differs, and
    does nothing when nothing differs. Without --profile, the stack's own profile is taken again.

    \b
    Examples:
      deploy up --profile 2xh200
      deploy up --profile ./mine.toml --stack team-a
      deploy up --profile poc --upstream http://127.0.0.1:11434
    """
    from cli.progress_view import progress_view
    from cli.show import card, confirm, emit_json, show
    from cli.views import next_steps, plan_summary
    from lifecycle.home import Home
    from lifecycle.planning import PlanReport, Request
    from lifecycle.up import up as run

    with progress_view() as progress:

        def agree(report: PlanReport) -> bool:
            progress.note(plan_summary(report))
            price = report.cost.usd_per_hour
            return price == 0 or yes or confirm(f"This costs {price:.2f} USD per hour from now on. Go on?")

        request = Request(
            profile=profile,
            upstream_url=upstream,
            upstream_key_env=upstream_key_env,
            accept_licence=accept_licence,
        )
        report = run(Home.of_user().stack(stack), request, progress, agree=agree)
    if as_json:
        emit_json(report)
    else:
        show(card(f"stack {report.stack} is up ({report.seconds:.1f} s)", next_steps(report)))
