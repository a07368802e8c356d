"""The page about the rules, from the rules: pure text, written to `docs/policies.md` by `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from policies.controls import benchmarks, control
from policies.levels import LEVELS
from policies.live import COMPLETE, STRANGE_FILES
from policies.manifests import GPU_LABEL
from policies.rule import Example, Rule
from policies.rules import RULES
from policies.waivers import MAX_DAYS, WAIVERS

INTRODUCTION = f"""\
This page is generated from `policies/rules/`; edit the rules, then run `make docs`.

Every rule judges at the earliest level at which it can know: the *plan*, the *resources* that are to be made of it,
the rendered *files* that programs are told, and what is in force on *hosts*. A violated `mandatory` rule stops `deploy
up` with exit code 3 before anything is created. A rule answers in three ways: it holds, it is violated, or it is not
known yet because a value is decided only when a resource exists; it is then judged again when it is there. A rule that
fails to run counts as a refusal.

The same rules serve Pulumi's own engine (`pulumi preview --policy-pack policies`), `deploy verify` and `deploy
policy check FILE...`, which judges a plan, a state or a preview that somebody hands in. `deploy policy show RULE`
prints one card.

## A team's own

A profile names folders, `policies = ["./acme_rules"]`, or Python packages that are installed beside the toolkit,
`["acme_rules"]`. In such a folder

- every `*.py` sets `RULE = Rule(...)` in the shape of the shipped ones; `deploy policy test ./acme_rules` proves
  it. It is run as Python, and is as trusted as the toolkit itself.
  A check is about what it takes from the stack, the files or the manifests that it is handed: where it takes nothing,
  because there is nothing of that type or name, and finds nothing, the rule is not applicable, and evidence says so. A
  check of one resource says which types it is about with `by_type`, and one of the plan which plans with `where`
  (`policies/about.py`); written without these it is about every one. A rule that forbids a type altogether is one of
  those: it judges whatever is there, and holds.
- `waivers.toml` has `[[waiver]]` tables: `rule`, `resource` (as a finding names it: `type::name`, a file as
  `HOST:/path`; `*` stands for any characters),
  `owner`, `reason`, `ticket` and `expiry`. A high or critical rule is waived for {MAX_DAYS} days at most; a waiver
  that has expired, is unused, too long or broader than needed is a finding (`{WAIVERS.id}`). A broken rule is never
  waived.
- `levels.toml` has a table per environment and rule, `[production.model-review]`, with `level` ("mandatory",
  "advisory" or "off") and `reason`; `[all.RULE]` holds everywhere, and the profile's `environment` says which table
  holds. A critical rule is lowered only under a waiver of it (`{LEVELS.id}`).

Pulumi's own engine runs the shipped rules and a team's own at the plan's levels and waivers: it reads the folders
that the stack's plan names when it starts. A stack whose own rules are not among those that it runs is refused.

## What runs

`deploy audit` runs the same rules over a running stack: the account's resources as they are now, with whatever
somebody put beside them, and the files of hosts as they lie there, with drop-ins of units, the firewall and the SSH
server as they are in force. Every call only looks. A property that could not be read is `undecidable`, which refuses
as a violation does; so does a resource or file that could not be read at all (`{COMPLETE.id}`), and a file that nobody
rendered in a folder that a program reads whole (`{STRANGE_FILES.id}`).

## Manifests of Kubernetes

`deploy policy check FILE.yaml` judges manifests: several documents, lists, everything that makes pods. Files are judged
together, so hand in namespaces and network policies with what is in them. A namespace whose label `{GPU_LABEL}` is
`true` is for drivers and device plugins, which need the host. A kind that no rule judges is refused.

`deploy audit --kubeconfig FILE` judges what a cluster has in force by the same rules: every namespace but the cluster's
own, or those that `--namespace` names, and always what is the whole cluster's. It only lists, and reads no secret;
`deploy audit --print-role | kubectl apply -f -` lets the group `cloister-auditors` do that and no more. Findings name
`CONTEXT: Kind/namespace/name`, and waivers do so too. Kinds that are not in that role are not read.
"""


def page(rules: tuple[Rule, ...] = RULES) -> str:
    """Return the whole page as Markdown."""
    return "\n".join(_lines(rules)) + "\n"


def _lines(rules: tuple[Rule, ...]) -> Iterator[str]:
    yield "# Policies"
    yield ""
    yield INTRODUCTION
    yield "## All rules"
    yield ""
    yield "| rule | family | severity | level | judges | what must be true |"
    yield "|---|---|---|---|---|---|"
    for rule in rules:
        judged = ", ".join(rule.levels)
        yield f"| [{rule.id}](#{rule.id}) | {rule.family} | {rule.severity} | {rule.level} | {judged} | {rule.title} |"
    for family, members in groupby(rules, key=lambda rule: rule.family):
        yield ""
        yield f"# Family {family}"
        for rule in members:
            yield from _section(rule)
    yield ""
    yield "# Benchmarks"
    yield ""
    yield "| name | benchmark | version | checked against | on | titles |"
    yield "|---|---|---|---|---|---|"
    for name, benchmark in benchmarks().items():
        checked = f"{benchmark.checked_against} | {benchmark.checked_on} | {benchmark.titles}"
        yield f"| {name} | [{benchmark.title}]({benchmark.url}) | {benchmark.version} | {checked} |"


def _section(rule: Rule) -> Iterator[str]:
    yield ""
    yield f"## {rule.id}"
    yield ""
    yield f"**{rule.title}.** Severity {rule.severity}, {rule.level}; judges {', '.join(rule.levels)}."
    yield ""
    yield f"*Why.* {rule.why}"
    yield ""
    yield f"*What to do.* {rule.remediation}"
    yield ""
    yield from _examples("Refused", rule.bad)
    yield from _examples("Accepted", rule.good)
    yield f"Serves: {'; '.join(f'{name} ({control(name).title})' for name in rule.controls)}."
    yield ""
    yield "References: " + ", ".join(f"<{reference}>" for reference in rule.references)


def _examples(title: str, examples: tuple[Example, ...]) -> Iterator[str]:
    yield f"{title}:"
    yield ""
    yield from (f"- {example.shows}" for example in examples)
    yield ""
