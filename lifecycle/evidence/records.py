"""What evidence holds: plain data, whose JSON Schema ships as `docs/evidence.schema.json`.

A record says what was looked at and what came of it; what was not looked at has a list of its own. Secrets are named
and never held.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from lifecycle.auditing.records import Unread
from planner.plan import LevelPlan
from policies.controls import Control
from policies.exposure.exposure import Exposure
from policies.rule import Family, Level, Severity
from policies.run import Finding

SCHEMA = 1
"""Raised whenever a reader of older evidence would misread newer one."""

Verdict = Literal[
    "holds", "violated", "unknown", "undecidable", "broken", "waived", "off", "not judged", "not applicable"
]
"""`unknown`: decided at apply. `undecidable`: of what runs, something that the rule is about could not be read. `off`:
switched off by a team's levels. `not judged`: of where the rule judges, something was not there to be looked at.
`not applicable`: all of it was looked at, and there was nothing that the rule is about; that is no pass."""

Digest = str
"""SHA-256, in hexadecimal."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records."""


class Tool(Record, frozen=True, kw_only=True):
    """What did the checking."""

    name: str
    version: str
    rules_sha256: Digest
    """Of everything below `policies/`: rules, what they share, and the table of controls."""
    catalogue_sha256: Digest
    """Of the tables from which plans are made: models, machines, advisories, licences."""


class Subject(Record, frozen=True, kw_only=True):
    """What was looked at."""

    stack: str
    profile: str
    target: str
    account: str
    region: str
    environment: str
    state: Literal["planned", "running"]
    """`planned`: nothing exists, or nothing of it was asked. `running`: its services and its account were asked."""
    model: str
    engine: str


class Input(Record, frozen=True, kw_only=True):
    """Something that was judged, by its digest."""

    name: str
    sha256: Digest
    bytes: int


class RuleVerdict(Record, frozen=True, kw_only=True):
    """A rule, at the version that was run, and its verdict."""

    id: str
    title: str
    family: Family
    severity: Severity
    level: Level
    sha256: Digest
    """Of its file: the rule's version."""
    origin: Literal["shipped", "team"]
    judged: tuple[str, ...]
    """At which of its levels there was something that it is about; `live`: by the audit itself."""
    verdict: Verdict
    controls: tuple[str, ...]


class WaiverState(Record, frozen=True, kw_only=True):
    """A waiver, and what it did."""

    rule: str
    resource: str
    owner: str
    reason: str
    ticket: str
    expiry: date
    in_force: bool
    covers: int
    """Findings that it waives."""


class ControlState(Record, frozen=True, kw_only=True):
    """A control of a published benchmark, and the rules that serve it. It is no statement that the control is met."""

    control: Control
    rules: tuple[str, ...]
    verdict: Verdict
    """The worst of its rules; those that are not applicable count only where all of them are."""


class Artefact(Record, frozen=True, kw_only=True):
    """A program, an image or a model that the stack runs.

    Attributes:
        kind: what it is.
        version: of it.
        source: where it comes from.
        sha256: digests that are accepted of it; several where it has a file for each platform, none where `held_by`
            says who holds it to what.
        held_by: what makes sure that it is that one.
        services: that run it.

    """

    name: str
    kind: Literal["program", "module", "model", "machine image", "bundle"]
    version: str
    licence: str
    source: str
    sha256: tuple[Digest, ...]
    held_by: str
    services: tuple[str, ...]


class Grant(Record, frozen=True, kw_only=True):
    """One statement of a policy document."""

    resource: str
    """Which resource carries the document, as `type::name`."""
    document: str
    statement: str
    effect: Literal["Allow", "Deny", "not known yet"]
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...]


class GroupRule(Record, frozen=True, kw_only=True):
    """One rule of a security group."""

    group: str
    direction: Literal["in", "out"]
    protocol: str
    ports: str
    peer: str


class Access(Record, frozen=True, kw_only=True):
    """Who may do what, and who may reach what, as the account is told."""

    grants: tuple[Grant, ...]
    groups: tuple[GroupRule, ...]


class Audit(Record, frozen=True, kw_only=True):
    """What was read of a running stack, as `deploy audit` reads it; the rules judged this, and no note of ours.

    Attributes:
        resources: places of the account's resources.
        files: paths of files, each with its host where there are hosts.
        strangers: those among both, and files beside, that neither state nor plan knows.
        gone: resources that the state knows and the account has no more.
        unread: what could not be read; each is a finding as well.

    """

    resources: tuple[str, ...]
    files: tuple[str, ...]
    strangers: tuple[str, ...]
    gone: tuple[str, ...]
    unread: tuple[Unread, ...]


class Bundle(Record, frozen=True, kw_only=True):
    """The bundle that hosts install from. Its manifest lies beside this record, with the digest of every file.

    Attributes:
        id: SHA-256 of the manifest.
        files: that it names.
        bytes: of all of them.
        kinds: kind of file -> how many.
        bill: its bill of materials lies beside this record, and is the one that the manifest names.
        installed_on: hosts that say that they installed from it.

    """

    id: Digest
    files: int
    bytes: int
    kinds: dict[str, int]
    bill: bool
    installed_on: tuple[str, ...]


class Tried(Record, frozen=True, kw_only=True):
    """One check of the running stack. `ok` is null where it could not be tried."""

    id: str
    ok: bool | None
    seen: str


class Live(Record, frozen=True, kw_only=True):
    """What `deploy verify` saw."""

    ok: bool
    tls: tuple[Tried, ...]
    tokens: tuple[Tried, ...]
    other: tuple[Tried, ...]


class Retention(Record, frozen=True, kw_only=True):
    """How long something is kept, or lives."""

    what: str
    value: int
    unit: Literal["days", "seconds"]
    decided_by: str
    """Field of the profile."""


class Teardown(Record, frozen=True, kw_only=True):
    """The certificate of an earlier stack of this name that was taken down."""

    file: str
    sha256: Digest
    stack: str
    profile: str
    begun_at: str
    ended_at: str
    removed: int
    left: int
    """Things that are still there, and kinds of which nobody can say."""


class NotLookedAt(Record, frozen=True, kw_only=True):
    """What this evidence says nothing about."""

    what: str
    why: str


class Evidence(Record, frozen=True, kw_only=True):
    """Everything that was checked, and what came of it.

    Attributes:
        made_at: ISO 8601, UTC; the one thing that differs between two runs over the same inputs.
        ok: no mandatory rule is violated, broken or undecided where things exist; the exposure proof holds; no check of
            the running stack failed.
        counts: verdict -> number of rules.

    """

    schema: int = SCHEMA
    made_at: str
    ok: bool
    tool: Tool
    subject: Subject
    counts: dict[str, int]
    inputs: tuple[Input, ...]
    rules: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    waivers: tuple[WaiverState, ...]
    levels: tuple[LevelPlan, ...]
    exposure: Exposure | None
    audit: Audit | None
    live: Live | None
    bundle: Bundle | None
    artefacts: tuple[Artefact, ...]
    access: Access
    retention: tuple[Retention, ...]
    teardowns: tuple[Teardown, ...]
    controls: tuple[ControlState, ...]
    not_looked_at: tuple[NotLookedAt, ...]


def schema_of_evidence() -> bytes:
    """Return the JSON Schema (2020-12) of `evidence.json`."""
    schema = msgspec.json.schema(Evidence)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Evidence of a stack",
        **schema,
    }
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"
