"""`deploy audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.policy import Environment, Folders
from cli.options import DEFAULT_STACK, Json, Stack, SudoPasswordFile, stack_with_sudo

if TYPE_CHECKING:
    from lifecycle.audit import AuditReport
    from lifecycle.home import StackHome

OF_A_CLUSTER = {
    "cluster": "--context",
    "namespaces": "--namespace",
    "system": "--system",
    "folders": "--policies",
    "environment": "--environment",
}
"""Parameters -> options that say something with --kubeconfig alone: a stack's own plan says the rest."""


def audit(
    context: typer.Context,
    stack: Stack = DEFAULT_STACK,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            "--kubeconfig",
            metavar="FILE",
            help="Audit a cluster of Kubernetes in the stack's place: the file names it, and who asks.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str,
        typer.Option(
            "--context", metavar="NAME", help="Context of that file.", show_default="the file's current context"
        ),
    ] = "",
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            metavar="NAME",
            help="Judge this namespace of the cluster, with what is the whole cluster's. Can be given several times.",
            show_default="all but the cluster's own",
        ),
    ] = None,
    system: Annotated[
        bool,
        typer.Option("--system", help="Judge kube-system, kube-public, kube-node-lease and their accounts' roles too."),
    ] = False,
    folders: Folders = None,
    environment: Environment = "",
    print_role: Annotated[
        bool,
        typer.Option("--print-role", help="Print the role under which a cluster is audited, for `kubectl apply`."),
    ] = False,
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Run the rules over a running stack: its account's resources and its hosts' files, as they are now.

    What `plan` could only say of values that are decided at apply is judged here, and so is whatever somebody changed
    or added by hand: rules of security groups, routes, gateways, policies of roles, drop-ins of units, files in folders
    that programs read whole, the firewall and the SSH server as they are in force. Nothing is changed by looking: every
    call of AWS's API is a Describe, Get or List, and hosts are read by SSH.

    What cannot be read is a finding (`undecidable`), and no pass. Exits with 3 if a mandatory rule is violated, or
    cannot be decided. `deploy iam-policy --for audit` prints the policy of a reviewer who may do no more than this.

    With --kubeconfig the rules for manifests judge a cluster's objects as they are in force. They are listed and never
    watched; no secret is read. Pods are told once, of what makes them, unless they differ from it. What the server adds
    or makes by itself is not judged, nor are its own namespaces without --system; `cluster.left_out` in the JSON names
    it all. A program that the file names for signing in (`exec`) is run, and the command says so. A team's own rules,
    waivers and levels hold by --policies and --environment.

    \b
    Examples:
      deploy audit
      deploy audit --stack team-a --json | jq '.findings[] | {rule, resource, message}'
      deploy audit --print-role | kubectl apply -f -
      deploy audit --kubeconfig ~/.kube/config --context prod --namespace serving --namespace gateway
    """
    from cli.show import emit_json, emit_text
    from planner.errors import PolicyRefusedError, UsageError

    if print_role:
        from lifecycle.auditing.cluster.role import role_manifest

        if as_json:
            raise UsageError("--print-role prints YAML for `kubectl apply`", hint="Leave --json out.")
        emit_text(role_manifest())
        return
    if kubeconfig is None:
        if beside := [option for name, option in OF_A_CLUSTER.items() if context.params[name]]:
            raise UsageError(f"{beside[0]} is for a cluster", hint="Name it: --kubeconfig FILE.")
        report = _of_stack(stack_with_sudo(stack, sudo_password_file))
    else:
        source = context.get_parameter_source("stack")
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError("--stack and --kubeconfig contradict each other", hint="Audit one after the other.")
        report = _of_cluster(
            kubeconfig, cluster, tuple(namespaces or ()), tuple(folders or ()), environment, system=system
        )
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else PolicyRefusedError.exit_code)


def _of_stack(home: StackHome) -> AuditReport:
    from cli.progress_view import progress_view
    from lifecycle.audit import audit as look
    from lifecycle.stack import Stack as Made

    with progress_view() as progress:
        return look(Made.load(home, progress), progress)


def _of_cluster(
    kubeconfig: Path,
    context: str,
    namespaces: tuple[str, ...],
    folders: tuple[str, ...],
    environment: str,
    *,
    system: bool,
) -> AuditReport:
    from cli.progress_view import progress_view
    from lifecycle.audit_cluster import audit_cluster
    from lifecycle.policies import read_policy

    policy = read_policy(folders, environment)
    with progress_view() as progress:
        return audit_cluster(kubeconfig, progress, context=context, namespaces=namespaces, system=system, policy=policy)


def _show(report: AuditReport) -> None:
    from rich.markup import escape

    from cli.findings import told
    from cli.show import show

    cluster = report.cluster
    show(*told(report.findings, settled=True))
    show(*(f"gone from the account: {escape(one)}" for one in report.gone))
    if cluster and cluster.left_out:
        spaces = ", ".join(one.removeprefix("Namespace/") for one in cluster.left_out if one.startswith("Namespace/"))
        what = f" ({spaces}; --system judges them)" if spaces else ""
        show(escape(f"the cluster's own, not judged: {len(cluster.left_out)} objects{what}"))
    judged = (
        f"{len(report.resources)} objects of Kubernetes {cluster.version}"
        if cluster
        else f"{len(report.resources)} resources and {len(report.files)} files"
    )
    verdict = "[green]every mandatory rule holds[/]" if report.ok else "[red]refused[/]"
    show(f"{verdict} ({judged}, {report.rules} rules, {report.seconds:.1f} s)")
