"""Findings as SARIF 2.1.0, which code scanners' dashboards read.

Results are what the rules found. A waived one is a result with an accepted suppression; one that is decided at apply is
of the kind `open`; a rule that had nothing to judge is one of the kind `notApplicable`; a rule that
broke is an error of the run, and makes it unsuccessful.
https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from lifecycle.evidence.records import Evidence, RuleVerdict
from policies.rule import PLAN, Rule
from policies.run import Finding, rule_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"mandatory": "error", "advisory": "warning"}
ON_HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]+):(?P<path>/.+)")
"""A file of a host, as findings name it."""
SCORES = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""Middles of CVSS's ranges: dashboards sort by `security-severity` as they would by a score."""


def sarif_of(evidence: Evidence, rules: tuple[Rule, ...]) -> bytes:
    """Return the findings as a SARIF log.

    Args:
        evidence: of a stack.
        rules: that were run, a team's own among them.

    """
    verdicts = {verdict.id: verdict for verdict in evidence.rules}
    known = {rule.id: rule for rule in rules}
    known |= {finding.rule: rule_of(finding, rules) for finding in evidence.findings}
    order = {rule_id: at for at, rule_id in enumerate(known)}
    beside = evidence.audit.strangers if evidence.audit else ()
    files = {*(one.name for one in evidence.inputs), *(one for one in beside if "::" not in one)} - {PLAN}
    broken = [finding for finding in evidence.findings if finding.status == "broken"]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": evidence.tool.name,
                        "version": evidence.tool.version,
                        "rules": [_rule(rule, verdicts.get(rule.id)) for rule in known.values()],
                    }
                },
                "automationDetails": {"id": f"{evidence.subject.stack}/{evidence.subject.profile}/"},
                "invocations": [
                    {
                        "executionSuccessful": not broken,
                        "endTimeUtc": evidence.made_at,
                        "toolExecutionNotifications": [_notification(finding, order, files) for finding in broken],
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "results": [
                    *(_result(one, order, files) for one in evidence.findings if one.status != "broken"),
                    *(_nothing(one, order) for one in evidence.rules if one.verdict == "not applicable"),
                ],
            }
        ],
    }
    return (json.dumps(log, indent=2, ensure_ascii=False) + "\n").encode()


def _rule(rule: Rule, verdict: RuleVerdict | None) -> dict[str, Any]:
    level = verdict.level if verdict else rule.level
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.remediation},
        "helpUri": rule.references[0],
        "defaultConfiguration": {"level": LEVELS[level], "enabled": not verdict or verdict.verdict != "off"},
        "properties": {
            "tags": [rule.family, *rule.controls],
            "security-severity": SCORES[rule.severity],
            **({"sha256": verdict.sha256} if verdict else {}),
        },
    }


def _result(finding: Finding, order: Mapping[str, int], files: Collection[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": order[finding.rule],
        "message": {"text": finding.message},
        "locations": [_location(finding.resource, files)],
    }
    match finding.status:
        case "unknown" | "undecidable":
            return {**result, "kind": "open", "level": "none"}
        case "waived":
            accepted = {"kind": "external", "status": "accepted", "justification": finding.message}
            return {**result, "kind": "fail", "level": LEVELS[finding.level], "suppressions": [accepted]}
        case _:
            return {**result, "kind": "fail", "level": LEVELS[finding.level]}


def _nothing(rule: RuleVerdict, order: Mapping[str, int]) -> dict[str, Any]:
    return {
        "ruleId": rule.id,
        "ruleIndex": order[rule.id],
        "kind": "notApplicable",
        "level": "none",
        "message": {"text": "There is nothing in this stack that the rule is about."},
        "locations": [_location("stack", ())],
    }


def _notification(finding: Finding, order: Mapping[str, int], files: Collection[str]) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": finding.message},
        "associatedRule": {"id": finding.rule, "index": order[finding.rule]},
        "locations": [_location(finding.resource, files)],
    }


def _location(place: str, files: Collection[str]) -> dict[str, Any]:
    """Return a place as dashboards group by it; of a file also where it lies: on a host as RFC 8089 writes it."""
    found: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": place, "kind": "resource"}]}
    if on_host := ON_HOST.match(place):
        uri = f"file://{on_host['host']}{quote(on_host['path'])}"
        return {**found, "physicalLocation": {"artifactLocation": {"uri": uri}}}
    if place in files:
        return {**found, "physicalLocation": {"artifactLocation": {"uri": quote(place)}}}
    return found
