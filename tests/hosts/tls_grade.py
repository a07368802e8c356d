"""What testssl.sh says of an endpoint, run on another host."""

from __future__ import annotations

import json

import msgspec

from tests.hosts.machine import Machine

TIMEOUT_S = 600
REPORT = "/srv/tls.json"
LEFT_TO_TLS_AUDITORS = {
    "TLS_session_ticket": "tickets of a week: Go changes their key daily, and keeps each as long as its tickets",
    "cert_expirationStatus": "under 30 days left: certificates are short-lived by choice, and renewed by themselves",
    "cert_notAfter": "the same",
    "cert_revocation": "no CRL or OCSP: a certificate's short life stands in for it; nobody outside is asked",
}
"""Ids of what testssl.sh finds fault with here, and why it stays."""


class Graded(msgspec.Struct, frozen=True):
    """The grade by SSL Labs' guide, what lowered it, and the ids of everything that is worse than a note."""

    grade: str
    lowered: tuple[str, ...]
    faults: frozenset[str]


def graded(scanner: Machine, address: str, authority: str) -> Graded:
    """Let a host that may reach an endpoint look at all that it speaks; the authority is PEM text."""
    scanner.run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "testssl.sh")
    (scanner.root / "srv/ca.pem").write_text(authority)
    program = ("env", "--chdir=/", "testssl", "--quiet", "--color=0", "--warnings=off", "--nodns=none")
    words = (*program, "--add-ca=/srv/ca.pem", f"--jsonfile={REPORT}")
    scanner.run(*words, f"https://{address}", check=False, timeout_s=TIMEOUT_S)
    found = json.loads(scanner.read(REPORT))
    return Graded(
        grade=next(one["finding"] for one in found if one["id"] == "overall_grade"),
        lowered=tuple(one["finding"] for one in found if one["id"].startswith("grade_cap_reason")),
        faults=frozenset(one["id"] for one in found if one["severity"] in {"LOW", "MEDIUM", "HIGH", "CRITICAL"}),
    )
