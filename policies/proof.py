"""The proof that a rule works and is complete: the same for shipped rules and for a team's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import get_args, get_type_hints

import msgspec

from planner.profile import Profile
from policies.controls import control
from policies.rule import FAMILIES, Example, Rule, Severity
from policies.run import Outcome, judge

EACH = 2
"""Examples that a rule has at least, good and bad ones each."""
ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SENTENCE_END = re.compile(r"[.!](?= |$)")
COMMAND = "deploy "


def faults(rule: Rule, *, file: str, verbs: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a rule, a sentence each; nothing if it is complete and its examples prove it.

    Args:
        rule: to be judged.
        file: name of its file, without its ending.
        verbs: commands that a remediation may name, for example `plan`.

    """
    yield from _form(rule, file)
    yield from _remediation(rule, verbs)
    yield from _controls(rule)
    for kind, examples in (("good", rule.good), ("bad", rule.bad)):
        if len(examples) < EACH:
            yield f"it has {len(examples)} {kind} examples, and needs {EACH}"
    shown = [example.shows for example in (*rule.good, *rule.bad)]
    if len(set(shown)) < len(shown):
        yield "two of its examples have one name"
    if rule.good and not any(_outcome(rule, example).judged for example in rule.good):
        yield "none of its good examples has anything in it that it judges"
    for example in rule.good:
        yield from _wrongly_refused(rule, example)
    for example in rule.bad:
        yield from _wrongly_accepted(rule, example)


def _form(rule: Rule, file: str) -> Iterator[str]:
    if not ID.fullmatch(rule.id) or rule.id.replace("-", "_") != file:
        yield f"its id is {rule.id!r}, and its file is {file}.py"
    if rule.family not in FAMILIES:
        yield f"there is no family {rule.family!r}"
    if rule.severity not in get_args(Severity):
        yield f"there is no severity {rule.severity!r}"
    if not rule.levels:
        yield "it judges nothing: it has no check"
    if rule.title.endswith(".") or not rule.title:
        yield "its title is empty or ends with a full stop"
    if len(SENTENCE_END.findall(rule.why)) != 2:
        yield "`why` is the attack in two sentences"
    if not rule.references or not all(reference.startswith("https://") for reference in rule.references):
        yield "it has no reference, or one that is no https URL"


def _remediation(rule: Rule, verbs: Collection[str]) -> Iterator[str]:
    quoted = re.findall(r"`([^`]+)`", rule.remediation)
    fields = set(profile_fields())
    if not any(text in fields or text.startswith(COMMAND) for text in quoted):
        yield "its remediation names neither a field of the profile nor a command"
    for text in quoted:
        if text.startswith(COMMAND) and text.split()[1] not in verbs:
            yield f"its remediation names `{text}`, which is no command"
        elif re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text) and text.split(".")[0] in SECTIONS and text not in fields:
            yield f"its remediation names `{text}`, which is no field of a profile"


def profile_fields(record: type[msgspec.Struct] = Profile, prefix: str = "") -> Iterator[str]:
    """Yield every field of a profile by its dotted name, as it is written."""
    hints = get_type_hints(record)
    for field in msgspec.structs.fields(record):
        name = f"{prefix}{field.encode_name}"
        yield name
        for kind in (hints[field.name], *get_args(hints[field.name])):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield from profile_fields(kind, f"{name}.")


SECTIONS = frozenset(name.partition(".")[0] for name in profile_fields() if "." in name)
"""Sections of a profile: a dotted name that begins with one means a field."""


def _controls(rule: Rule) -> Iterator[str]:
    if not rule.controls:
        yield "it serves no control of any benchmark"
    for name in rule.controls:
        try:
            control(name)
        except KeyError:
            yield f"it names the control {name!r}, which the table of benchmarks does not have"


def _wrongly_refused(rule: Rule, example: Example) -> Iterator[str]:
    for finding in _outcome(rule, example).findings:
        if finding.status != "unknown":
            yield f"it refuses the good example {example.shows!r}: {finding.message}"


def _wrongly_accepted(rule: Rule, example: Example) -> Iterator[str]:
    findings = _outcome(rule, example).findings
    broken = [finding.message for finding in findings if finding.status == "broken"]
    if broken:
        yield f"it breaks on the bad example {example.shows!r}: {broken[0]}"
    elif not any(finding.status == "violated" for finding in findings):
        yield f"it accepts the bad example {example.shows!r}"


def _outcome(rule: Rule, example: Example) -> Outcome:
    return judge(
        example.plan,
        example.resources,
        rules=(rule,),
        files=example.files,
        today=example.day,
        manifests=example.manifests,
    )
