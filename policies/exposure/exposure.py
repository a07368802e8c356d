"""What the proof says: every path from outside, and every barrier of it that does not stand."""

from __future__ import annotations

from typing import Literal

import msgspec

Guard = Literal[
    "gateway", "route", "address", "group", "acl", "port", "balancer", "service", "iam", "listener", "filter"
]
"""What a packet, or a person, must get past. `listener`: a program listens on an address that packets reach.
`filter`: systemd lets packets of some networks alone through to it."""
Of = Literal["plan", "account", "hosts"]
Source = Literal["internet", "unnamed", "neighbour", "named", "iam", "host"]
"""The internet; networks that nobody named; other machines of the stack's subnets; networks that the plan names;
whoever IAM lets in; programs of the machine itself."""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a path: from something to something, past a guard.

    Attributes:
        origin: where the step begins.
        to: where it ends.
        guard: what stands between.
        open: it lets this traffic pass.
        why: what makes it open or closed, by name.

    """

    origin: str
    to: str
    guard: Guard
    open: bool
    why: str


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """A way from a source to a port, whether it can be gone or not."""

    kind: Source
    source: str
    target: str
    port: str
    edges: tuple[Edge, ...]
    open: bool
    """Every edge is."""


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A barrier that does not stand. One is enough for a failed proof, though others may still hold."""

    guard: Guard
    resource: str
    why: str
    remedy: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """The proof.

    Attributes:
        ok: no path from outside of the named networks is open, and every barrier of every such path stands.
        of: `plan`: what the program would make; `account`: what is there; `hosts`: what their files say, for no account
            knows them.
        named: the clients' networks.
        paths: from every source to every port, closed ones included.
        breaches: barriers that do not stand.
        unknown: what could not be looked at, and is therefore not proven. Of a plan: what only the account knows;
            of an account there must be nothing.

    """

    ok: bool
    of: Of
    stack: str
    named: tuple[str, ...]
    paths: tuple[Path, ...]
    breaches: tuple[Breach, ...]
    unknown: tuple[str, ...]
