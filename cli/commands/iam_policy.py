"""`deploy iam-policy`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DEFAULT_STACK, Backend, Json, ProfileName, SecretsProvider, Stack, Ttl


def iam_policy(
    profile: ProfileName = "",
    stack: Stack = DEFAULT_STACK,
    account: Annotated[
        str, typer.Option("--account", metavar="NUMBER", help="The AWS account; else the profile's `aws.account`.")
    ] = "",
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="CIDR",
            help="Let tunnels be opened from this network alone, instead of after signing in with a second factor "
            "(sessions of IAM Identity Center carry no word of it). Can be given several times.",
            show_default=False,
        ),
    ] = None,
    ttl: Ttl = "",
    buys: Annotated[
        bool,
        typer.Option(
            "--buy-capacity", help="Allow `capacity buy` and `capacity extend` as well, which spend money up front."
        ),
    ] = False,
    backend: Backend = "",
    secrets_provider: SecretsProvider = "",
    purpose: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="operator|audit",
            help="Whom it is for: who runs every verb, or a reviewer who runs `audit` and may do no more.",
        ),
    ] = "operator",
    as_json: Json = False,
) -> None:
    """Print the smallest IAM policies under which the verbs that work on a profile's stack run on AWS.

    They are for `up`, `verify`, `status`, `drift`, `extend`, `bundle push`, `ssh`, `connect`, `capacity find`, `down`,
    `sweep` and `reap`. A stack with a deadline needs more than one without: give its --ttl where the profile has none.

    Made from the calls that they are recorded to make. What can be told by its tags must carry the stack's; what
    cannot has the stack's name in its ARN. Attach all of them: IAM takes 6144 characters each.

    The way to the nodes is on the internet, guarded by IAM alone: tunnels are allowed to SSH's port at the nodes'
    private addresses, for an hour, after signing in with a second factor or from networks that are named.

    A team that shares the state needs the bucket and the key as well: give --backend and --secrets-provider as `up` has
    them; a stack that is up knows its own. A bucket that is encrypted with another key needs that key's owner besides.

    Whoever may write the policy of a role may give it anything: set `aws.permission_boundary` in the profile, and the
    stack's roles are made and changed under that boundary alone.

    With --for audit they are a reviewer's: calls that only look, and none that tells what a bucket, a secret, a
    parameter or a log holds. Files on nodes are read through the tunnel, which these do not open.

    \b
    Examples:
      deploy iam-policy --profile 2xh200 --account 123456789012
      deploy iam-policy --profile 2xh200 --account 123456789012 --for audit
      deploy iam-policy --profile 2xh200 --account 123456789012 --from 203.0.113.0/24
      deploy iam-policy --profile poc --ttl 8h --account 123456789012
      deploy iam-policy -p 2xh200 --account 123456789012 --backend s3://team/llm --secrets-provider awskms://alias/team
      deploy iam-policy --profile 2xh200 --account 123456789012 --json | jq '.policies[0].document'
    """
    import json

    from cli.progress_view import progress_view
    from cli.show import emit_json, show
    from lifecycle.home import Home
    from lifecycle.operator_policy.verb import Purpose, policy_of
    from lifecycle.planning import Request, decide
    from lifecycle.pulumi_place import known_choice, state_choice
    from planner.errors import UsageError

    for_whom: Purpose = "audit" if purpose == "audit" else "operator"
    if purpose != for_whom:
        raise UsageError(f"--for {purpose} is nobody", hint="Say `operator` or `audit`.", code="unknown_purpose")
    home = Home.of_user().stack(stack)
    plan, kept = decide(home, Request(profile=profile, ttl=ttl))
    state = state_choice(backend, secrets_provider) or known_choice(home)
    with progress_view() as progress:
        report = policy_of(
            plan,
            kept.profile,
            account,
            progress,
            networks=tuple(networks or ()),
            buys=buys,
            state=state,
            purpose=for_whom,
        )
    if as_json:
        emit_json(report)
        return
    for policy in report.policies:
        show(f"{policy.name}:")
        typer.echo(json.dumps(policy.document, indent=2))
    show(f"{report.actions} actions in {len(report.policies)} policies for account {report.account}, {report.region}")
