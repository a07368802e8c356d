"""The faults, read from `faults.toml`."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

_ONLY_READS = re.compile(r"[a-z0-9-]+:(Describe|Get|Head|List|Simulate)")
FILE = Path(__file__).with_name("faults.toml")

Does = Literal["refuse", "reset", "lose", "hang", "hang after", "by hand"]
"""What becomes of a call.

refuse: it is not carried out; AWS answers with an error.
reset: it is not carried out; the connection is reset.
lose: it is carried out; the connection ends without an answer.
hang: it is not carried out, and no answer ever comes.
hang after: it is carried out, and no answer ever comes.
by hand: nothing; somebody changes the account behind the program's back while the stack is up.
"""


def changes(call: str) -> bool:
    """Tell whether a call (`service:Operation`) changes anything in the account, by its name."""
    return _ONLY_READS.match(call) is None


class ByHand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody does at a console.

    Attributes:
        resource: Pulumi type of what it is done to: the first of the stack.
        service: client that is called.
        call: its method.
        arguments: its arguments; `{id}` stands for the resource's id.

    """

    resource: str
    service: str
    call: str
    arguments: dict[str, Any]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which things go wrong.

    Attributes:
        name: as the command line has it.
        means: in words.
        does: what becomes of the calls that it hits.
        operations: patterns of the calls that it can hit.
        during: the verb that it hits.
        each: it hits each operation in a run of its own; otherwise all of them in one run.
        changes_only: calls that only read are spared.
        status: HTTP status of a refusal.
        code: AWS's code of a refusal.
        message: AWS's words of a refusal.
        times: how many calls of an operation are hit; 0 for all from then on.
        whole: once it has begun, every call is hit.
        stops: the verb is expected to stop, and to go on when it is run again.
        says: what its message then has to say.
        by_hand: what somebody does.

    """

    name: str
    means: str
    does: Does
    operations: tuple[str, ...] = ("*",)
    during: Literal["up", "down"] = "up"
    each: bool = False
    changes_only: bool = False
    status: int = 400
    code: str = ""
    message: str = ""
    times: int = 1
    whole: bool = False
    stops: bool = False
    says: tuple[str, ...] = ()
    by_hand: ByHand | None = None

    def fits(self, call: str) -> bool:
        """Tell whether it can hit a call."""
        if self.changes_only and not changes(call):
            return False
        return any(fnmatch.fnmatchcase(call, pattern) for pattern in self.operations)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fault: tuple[Fault, ...]


def load_faults() -> dict[str, Fault]:
    """Return the faults by name, in the file's order."""
    read = msgspec.toml.decode(FILE.read_bytes(), type=_File)
    return {fault.name: fault for fault in read.fault}
