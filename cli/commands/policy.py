"""`deploy policy list`, `show`, `check`, `test` and `docs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json

if TYPE_CHECKING:
    from lifecycle.policy_check import PolicyReport

app = typer.Typer(help="Read the rules, run them over files, and test a team's own.", no_args_is_help=True)

Folders = Annotated[
    list[str] | None,
    typer.Option(
        "--policies", metavar="FOLDER", help="Rules, waivers and levels beside the shipped ones. Several can be given."
    ),
]
Environment = Annotated[
    str, typer.Option("--environment", metavar="NAME", help="Which table of `levels.toml` holds.", show_default=False)
]


@app.callback()
def policy() -> None:
    """Read the rules, run them over files, and test a team's own."""


@app.command("list")
def list_(
    folders: Folders = None,
    family: Annotated[str, typer.Option("--family", help="Only rules of this family, for example identity.")] = "",
    as_json: Json = False,
) -> None:
    """List the rules by family: what must be true, and how bad it is if not. `policy show` tells more of each.

    \b
    Examples:
      deploy policy list
      deploy policy list --family identity
      deploy policy list --json | jq -r '.rules[].id'
    """
    from cli.show import emit_json, show, table
    from lifecycle.policies import read_policy, rules_in
    from lifecycle.policy_cards import listed

    rules = listed(rules_in(read_policy(tuple(folders or ())).folders), family)
    if as_json:
        emit_json(rules)
        return
    for name in dict.fromkeys(rule.family for rule in rules.rules):
        mine = [rule for rule in rules.rules if rule.family == name]
        rows = [(rule.id, rule.severity if rule.level == "mandatory" else rule.level, rule.title) for rule in mine]
        show(table(["rule", "severity", "what must be true"], rows, title=name, named=True))


@app.command("show")
def show_one(
    rule: Annotated[str, typer.Argument(help="Id of a rule, as `deploy policy list` names it.")],
    folders: Folders = None,
    as_json: Json = False,
) -> None:
    """Show one rule: the attack, what to do, which controls it serves, what it refuses and what it accepts.

    \b
    Example:
      deploy policy show routes-authenticated
    """
    from cli.show import card as framed
    from cli.show import emit_json, show
    from lifecycle.policies import read_policy, rules_in
    from lifecycle.policy_cards import named
    from policies.run import card

    told = card(named(rules_in(read_policy(tuple(folders or ())).folders), rule))
    if as_json:
        emit_json(told)
        return
    rows = [
        ("must be true", told.title),
        ("severity", f"{told.severity}, {told.level}; family {told.family}; judges {', '.join(told.levels)}"),
        ("why", told.why),
        ("remedy", told.remediation),
        *(("refuses", text) for text in told.bad),
        *(("accepts", text) for text in told.good),
        *(("serves", f"{one.benchmark} {one.version}, {one.number}: {one.title}") for one in told.controls),
        *(("see", url) for url in told.references),
    ]
    show(framed(told.id, rows))


@app.command("check")
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plans, states, previews and manifests.")],
    folders: Folders = None,
    environment: Environment = "",
    as_json: Json = False,
) -> None:
    """Judge files that somebody hands in: a plan, a state or preview of Pulumi's engine, manifests of Kubernetes.

    Nothing is asked or changed. A plan and a state are judged together, and so are manifests: hand in the namespaces
    and network policies with what is in them. A kind that no rule judges is refused. Exits with 3 if a mandatory rule
    is violated, or cannot be decided.

    \b
    Examples:
      deploy plan --profile 2xh200 --json > plan.json; deploy policy check plan.json
      pulumi stack export > state.json; deploy policy check plan.json state.json
      pulumi preview --json > preview.json; deploy policy check preview.json --json
      helm template ./chart > all.yaml; deploy policy check namespaces.yaml all.yaml
    """
    from cli.show import emit_json
    from lifecycle.policies import read_policy
    from lifecycle.policy_check import check as judge
    from planner.errors import PolicyRefusedError

    report = judge(tuple(paths), read_policy(tuple(folders or ()), environment))
    if as_json:
        emit_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else PolicyRefusedError.exit_code)


@app.command("test")
def prove(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="FOLDER...", help="Folders of rules; the shipped ones when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove rules: each is complete, refuses every bad example of its own and accepts every good one.

    A folder's rules are Python and are run: test what you trust. Exits with 1 if a rule has a fault.

    \b
    Examples:
      deploy policy test ./acme_rules
      deploy policy test
    """
    from cli.app import app as root
    from cli.show import emit_json, show, table
    from lifecycle.policy_cards import tested

    group = typer.main.get_command(root)
    report = tested(tuple(folders or ()), verbs=frozenset(getattr(group, "commands", {})))
    if as_json:
        emit_json(report)
    else:
        rows = [(one.id, fault) for one in report.rules for fault in one.faults]
        if rows:
            show(table(["rule", "what is wrong"], rows, named=True))
        show(f"{len(report.rules)} rules tested, {len({rule for rule, _ in rows})} with faults")
    raise typer.Exit(0 if report.ok else 1)


@app.command("docs")
def docs(folders: Folders = None, as_json: Json = False) -> None:
    """Print the page about all rules as Markdown, a team's own among them.

    \b
    Example:
      deploy policy docs --policies ./acme_rules > policies.md
    """
    from cli.show import emit_json, emit_text
    from lifecycle.policies import read_policy, rules_in
    from policies.docs import page

    text = page(rules_in(read_policy(tuple(folders or ())).folders))
    if as_json:
        emit_json({"markdown": text})
    else:
        emit_text(text)


def _show(report: PolicyReport) -> None:
    from rich.markup import escape

    from cli.findings import told
    from cli.show import show

    for one in report.judged:
        what = "objects" if one.kind == "manifest" else "resources"
        show(f"{escape(one.file)}: {one.kind}, {one.resources} {what}")
    show(*told(report.findings))
    verdict = "[green]every mandatory rule holds[/]" if report.ok else "[red]refused[/]"
    show(f"{verdict} ({report.rules} rules)")
