"""`deploy evidence` and `deploy evidence verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, ProfileName, Stack, SudoPasswordFile, Target, stack_with_sudo

if TYPE_CHECKING:
    from datetime import date

    from lifecycle.evidence.gather import Looked
    from lifecycle.evidence.package import EvidenceCheck, EvidenceReport
    from lifecycle.home import StackHome

app = typer.Typer(invoke_without_command=True)


@app.callback()
def evidence(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write it to.", show_default=False)
    ] = None,
    profile: ProfileName = "",
    target: Target = "",
    stack: Stack = DEFAULT_STACK,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            metavar="DIR",
            help="The bundle that hosts install from; the one the stack was made with when absent.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="Ed25519 private key that signs, as PEM; one made for this machine's stacks when absent.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="The time that it carries, and by which waivers end; now when absent."
        ),
    ] = "",
    token_env: Annotated[
        str, typer.Option("--token-env", metavar="NAME", help="Variable with a token of your own OIDC issuer.")
    ] = "",
    sudo_password_file: SudoPasswordFile = None,
    as_json: Json = False,
) -> None:
    """Write down what was checked of a stack and what came of it, as files that can be kept, and sign them.

    With --profile, of what the plan would make: no account is asked, and nothing is created. Without, of a running
    stack: its services are probed as by `deploy verify`, and its account and its hosts are read and judged as by
    `deploy audit`. In the folder are a page for readers (evidence.html), the record (evidence.json, with its schema),
    findings for dashboards (SARIF), the exposure proof as a picture, the plan, a bill of materials (CycloneDX), the
    manifest of the bundle with its own bill where one is at hand, and the signature (DSSE, Ed25519). What was not
    looked at is listed. The same inputs give the same bytes, but for the time that --at or SOURCE_DATE_EPOCH sets.

    Exits with 3 if a mandatory rule is violated or broken (or, of a running stack, undecided), and with 4 if the
    exposure proof or a check of the running stack fails. The folder is written all the same.

    \b
    Examples:
      deploy evidence --profile 2xh200 --target aws --out ./evidence
      deploy evidence --stack default --out ./evidence
      deploy evidence --profile 2xh200 --target aws --out ./evidence --bundle ./bundle
      deploy evidence --profile 2xh200 --out ./evidence --key release.pem --at 2026-12-01T18:00 --json
    """
    if context.invoked_subcommand is not None:
        return
    from cli.show import emit_json
    from lifecycle.evidence.package import moment, write_evidence
    from planner.errors import NotPrivateError, PolicyRefusedError, UsageError

    if out is None:
        raise UsageError("where to? --out DIR is missing", hint="It names a new folder, or one of earlier evidence.")
    made_at, home = moment(at), stack_with_sudo(stack, sudo_password_file)
    looked = _looked(profile, target, home, token_env, made_at.date(), bundle)
    report, _ = write_evidence(looked, home, out, made_at, key)
    if as_json:
        emit_json(report)
    else:
        _show(report)
    code = PolicyRefusedError.exit_code if report.refused else NotPrivateError.exit_code
    raise typer.Exit(0 if report.ok else code)


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of evidence.")],
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="Key of whoever ought to have signed, as PEM, which you have from them and not from the folder.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a folder of evidence with its signature: every file that was changed, is missing or was added is named.

    Without --public-key the key that lies in the folder is taken: that shows that nothing was changed since it was
    signed, and not by whom. Exits with 1 if anything differs.

    \b
    Examples:
      deploy evidence verify ./evidence --public-key security-team.pem
      deploy evidence verify ./evidence --json
    """
    from cli.show import emit_json
    from lifecycle.evidence.package import check_evidence

    report = check_evidence(folder, public_key)
    if as_json:
        emit_json(report)
    else:
        _show_checked(report)
    raise typer.Exit(0 if report.ok else 1)


def _looked(profile: str, target: str, home: StackHome, token_env: str, day: date, bundle: Path | None) -> Looked:
    import os

    from cli.options import target_of
    from cli.progress_view import progress_view
    from lifecycle.evidence.gather import look_at_profile, look_at_stack
    from lifecycle.stack import Stack as Made
    from planner.errors import UsageError

    if token_env and not os.environ.get(token_env):
        raise UsageError(f"the environment variable {token_env} is empty", hint="It must hold a token.")
    if target and not profile:
        raise UsageError("--target goes with --profile", hint="A running stack has its own target.")
    with progress_view() as progress:
        if profile:
            return look_at_profile(profile, target_of(target) or "sandbox", home.name, day, progress, bundle=bundle)
        made = Made.load(home, progress)
        token = os.environ.get(token_env) if token_env else None
        return look_at_stack(made, day, progress, token, bundle)


def _show(report: EvidenceReport) -> None:
    from cli.show import card, show

    words = {"unknown": "decided at apply"}
    rules = ", ".join(f"{count} {words.get(name, name)}" for name, count in report.counts.items())
    rows = [
        ("rules", rules),
        ("private", "as far as was looked" if report.private else "NOT: the page says why"),
        ("read", f"{report.folder}/evidence.html"),
        ("signed by", report.key_id),
        ("public key", f"{report.public_key}: give it to whoever is to verify, by another way than the folder"),
        ("verify", f"deploy evidence verify {report.folder} --public-key FILE"),
    ]
    show(card("Evidence", rows, style="green" if report.ok else "red"))


def _show_checked(report: EvidenceCheck) -> None:
    from cli.show import show, table

    rows = [
        (name, what)
        for what, names in (("missing", report.missing), ("changed", report.changed), ("not signed", report.extra))
        for name in names
    ]
    if rows:
        show(table(["file", "what"], rows, named=True))
    if report.signature != "good":
        show(f"[red]not evidence[/]: {report.signature}")
        return
    verdict = "[green]unchanged[/]" if report.ok else "[red]changed[/]"
    show(f"{verdict}: {report.files} files, stack {report.stack}, {report.made_at}, signed by {report.key_id}")
    if not report.trusted:
        show(
            "The key lies in the folder itself: whoever changes the files can sign anew. Trust in it must come from "
            "elsewhere: --public-key FILE, or compare the key's id with its owner's."
        )
