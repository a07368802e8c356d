"""Findings about what nobody can decide: what could not be read, and what will not become known."""

from __future__ import annotations

import msgspec

from lifecycle.auditing.records import Unread
from policies.finding import Finding, finding_of
from policies.live import COMPLETE


def undecided(unread: Unread) -> Finding:
    """Return the finding about what could not be read."""
    return finding_of(COMPLETE, unread.place, unread.why, "undecidable")


def settled(finding: Finding) -> Finding:
    """Say of what is not known though it exists that nobody can decide it: nothing will decide it later."""
    if finding.status != "unknown":
        return finding
    message = finding.message.replace("not known yet", "cannot be read", 1)
    return msgspec.structs.replace(finding, status="undecidable", message=message)
