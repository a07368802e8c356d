"""A verdict that is not "holds"."""

from __future__ import annotations

from typing import Literal

import msgspec

from policies.rule import Level, Rule, Severity

Status = Literal["violated", "unknown", "undecidable", "broken", "waived"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict that is not "holds"; plain data, so that `msgspec.to_builtins` gives its JSON.

    Attributes:
        rule: id of the rule.
        severity: how bad it is.
        level: whether it stops `up`.
        resource: `type::name` of the resource, the path of a rendered file, or `plan`.
        message: what is wrong.
        remediation: what to change.
        status: `violated`; `unknown` when a value is decided only later; `undecidable` when it could not be read of
            what runs; `broken` when the rule itself failed; `waived` when it is violated and somebody answers for it.

    """

    rule: str
    severity: Severity
    level: Level
    resource: str
    message: str
    remediation: str
    status: Status


def finding_of(rule: Rule, place: str, message: str, status: Status) -> Finding:
    """Return a finding of a rule."""
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        level=rule.level,
        resource=place,
        message=message,
        remediation=rule.remediation,
        status=status,
    )
