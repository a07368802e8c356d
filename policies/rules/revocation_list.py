"""A token can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

EVERYBODYS = ("/tmp", "/var/tmp")  # noqa: S108 - they are refused here
"""Folders in which anybody may put a file first; a folder below them may be one's own."""


def _judge(config: Any) -> Iterator[Answer]:
    path = at(config, "auth", "revocations_file")
    if not path:
        yield Violated("the gateway reads no list of revoked tokens (`auth.revocations_file`)")
    elif str(path).startswith("/dev/") or str(PurePosixPath(str(path)).parent) in EVERYBODYS:
        yield Violated(f"the list of revoked tokens is at {path}, where it is empty or anybody's")


_OWN, _ANYBODYS = "/tmp/own/x.json", "/tmp/x.json"  # noqa: S108 - examples

RULE = Rule(
    id="revocation-list",
    title="The gateway reads a list of revoked tokens",
    family="identity",
    severity="high",
    why=(
        "A token that is known to be stolen stays good until it ends where nobody can take it back. The gateway "
        "reads the list again when it changes, and says so by a metric when it cannot."
    ),
    remediation=(
        "Leave `auth.revocations_file` as rendered; `deploy token revoke JTI` writes it, `deploy verify` tries it."
    ),
    controls=("nist IA-5", "nist AC-3", "iso27001 A.5.17", "soc2 CC6.3"),
    references=("https://www.rfc-editor.org/rfc/rfc7009",),
    good=(
        Example("a list", files=examples.gateway()),
        Example("a list in a folder of one's own", files=examples.gateway({"auth.revocations_file": _OWN})),
        Example("a list on a host", files=examples.gateway({"auth.revocations_file": "/etc/cloister/revoked.json"})),
    ),
    bad=(
        Example("none", files=examples.gateway({"auth.revocations_file": ...})),
        Example("an empty name", files=examples.gateway({"auth.revocations_file": ""})),
        Example("a list that anybody writes", files=examples.gateway({"auth.revocations_file": _ANYBODYS})),
        Example("a list that is always empty", files=examples.gateway({"auth.revocations_file": "/dev/null"})),
    ),
    on_files=on_gateway(_judge),
)
