"""The page about the rules, from the rules: pure text, written to `docs/policies.md` by `make docs`."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Example, Rule
from policies.rules import RULES


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Policies"
    yield ""
    yield "This page is generated from `policies/rules/`; edit the rules, then run `make docs`."
    yield ""
    yield (
        "Every rule judges the plan and all cloud resources before anything is created; a violated `mandatory` rule "
        "stops `deploy up` with exit code 3. A rule answers in three ways: it holds, it is violated, or it is not "
        "known yet because a value is decided only when a resource exists; it is then judged again when it is there. "
        "A rule that fails to run counts as a refusal. The same rules serve Pulumi's own engine: "
        "`pulumi preview --policy-pack policies`."
    )
    yield ""
    yield "| rule | severity | level | what must be true |"
    yield "|---|---|---|---|"
    for rule in RULES:
        yield f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.level} | {rule.title} |"
    for rule in RULES:
        yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    yield ""
    yield f"## {rule.id}"
    yield ""
    yield f"**{rule.title}.** Severity {rule.severity}, {rule.level}."
    yield ""
    yield f"*Why.* {rule.why}"
    yield ""
    yield f"*What to do.* {rule.remediation}"
    yield ""
    yield from _examples("Refused", rule.bad)
    yield from _examples("Accepted", rule.good)
    yield "References: " + ", ".join(f"<{reference}>" for reference in rule.references)


def _examples(title: str, examples: tuple[Example, ...]) -> Iterator[str]:
    yield f"{title}:"
    yield ""
    yield from (f"- {example.shows}" for example in examples)
    yield ""
