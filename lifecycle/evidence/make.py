"""From what was looked at to the record, and to the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from lifecycle.audit import Audited
from lifecycle.evidence.access import access_of
from lifecycle.evidence.artefacts import ROOT, artefacts_of, bill_of_plan, digest_of_folder, pinned_wheels
from lifecycle.evidence.gather import Looked, resource_lines
from lifecycle.evidence.records import (
    Audit,
    Evidence,
    Input,
    Live,
    Retention,
    Subject,
    Teardown,
    Tool,
    schema_of_evidence,
)
from lifecycle.evidence.sarif import sarif_of
from lifecycle.evidence.verdicts import OF_AUDITS, control_states, rule_verdicts, waiver_states
from lifecycle.home import Home
from lifecycle.policies import rules_of, sources_in
from lifecycle.teardown_certificate import Certificate
from planner.catalogue import load_catalogue
from planner.plan import Plan, to_json
from policies.exposure.exposure import Exposure
from policies.rule import Rule
from policies.rules import RULES
from policies.run import place_of, refusals

RECORD, SCHEMA, SARIF = "evidence.json", "evidence.schema.json", "findings.sarif"
PAGE, PICTURE, PLAN, BILL = "evidence.html", "exposure.svg", "plan.json", "sbom.cdx.json"
TOOL = "cloister"


def evidence_of(looked: Looked, made_at: datetime, home: Home) -> Evidence:
    """Return the record.

    Args:
        looked: what was looked at.
        made_at: the time that it carries, in UTC.
        home: whose archive holds certificates of earlier stacks of that name.

    """
    plan, audited = looked.plan, looked.audited
    rules = (*rules_of(plan), *(OF_AUDITS if audited else ()))
    there = {
        "plan": True,
        "resources": bool(looked.resources),
        "files": bool(looked.files),
        "hosts": bool(audited and audited.hosts),
    }
    verdicts = rule_verdicts(
        rules,
        looked.findings,
        plan.policy,
        made_at.date(),
        looked_at=[level for level, anything in there.items() if anything],
        judged=looked.judged,
        unread=[*_unread(audited)] if audited else [],
        versions=_versions(plan, rules),
    )
    running = looked.live is not None
    return Evidence(
        made_at=f"{made_at:%Y-%m-%dT%H:%M:%SZ}",
        ok=not refusals(looked.findings, settled=running) and is_private(looked.exposure, looked.live),
        tool=tool(),
        subject=_subject(plan, running=running),
        counts=_counts([one.verdict for one in verdicts]),
        inputs=tuple(_inputs(looked)),
        rules=verdicts,
        findings=looked.findings,
        waivers=waiver_states(rules, plan.policy, looked.findings, made_at.date()),
        levels=plan.policy.levels,
        exposure=looked.exposure,
        audit=_audit(audited) if audited else None,
        live=looked.live,
        bundle=looked.bundle.told(_installed(audited)) if looked.bundle else None,
        artefacts=artefacts_of(plan, load_catalogue(), looked.bundle),
        access=access_of(looked.described),
        retention=tuple(_retention(plan)),
        teardowns=tuple(teardowns_of(home, plan.stack)),
        controls=control_states(verdicts),
        not_looked_at=looked.beyond,
    )


def is_private(exposure: Exposure | None, live: Live | None) -> bool:
    """Tell whether the proof holds and no check failed, as far as either was there."""
    return (exposure is None or exposure.ok) and (live is None or live.ok)


def files_of(evidence: Evidence, looked: Looked) -> dict[str, bytes]:
    """Return the files: for machines, for dashboards, for a reader, for whoever judges the plan anew."""
    from policies.exposure.picture import picture  # noqa: PLC0415 - the layout library loads slowly
    from templates.evidence_page import render_evidence  # noqa: PLC0415 - Jinja takes long to load

    catalogue, bundle = load_catalogue(), looked.bundle
    drawn = picture(evidence.exposure) if evidence.exposure else ""
    contents = {
        RECORD: msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n",
        SCHEMA: schema_of_evidence(),
        SARIF: sarif_of(evidence, rules_of(looked.plan)),
        PAGE: render_evidence(msgspec.to_builtins(evidence), drawn).encode(),
        PLAN: to_json(looked.plan).encode() + b"\n",
        BILL: bill_of_plan(evidence.artefacts, pinned_wheels(looked.plan, catalogue), evidence.tool.version),
    }
    return contents | ({PICTURE: drawn.encode()} if drawn else {}) | (bundle.files() if bundle else {})


@cache
def tool() -> Tool:
    """Return the toolkit's version, and digests of what it judged by."""
    return Tool(
        name=TOOL,
        version=version(TOOL),
        rules_sha256=digest_of_folder(ROOT / "policies"),
        catalogue_sha256=digest_of_folder(ROOT / "planner" / "catalogue"),
    )


def _versions(plan: Plan, rules: tuple[Rule, ...]) -> dict[str, str]:
    shipped = [(ROOT / "policies" / "rules" / f"{rule.id.replace('-', '_')}.py").read_bytes() for rule in RULES]
    own = [text.encode() for folder in plan.policy.folders for _, text in sources_in(folder)]
    live = [(ROOT / "policies" / "live.py").read_bytes() for rule in rules if rule in OF_AUDITS]
    return {rule.id: _sha256(text) for rule, text in zip(rules, [*shipped, *own, *live], strict=True)}


def _audit(audited: Audited) -> Audit:
    return Audit(
        resources=tuple(place_of(one) for one in audited.reading.resources),
        files=tuple(sorted(audited.files)),
        strangers=audited.strangers,
        gone=audited.reading.gone,
        unread=audited.unread,
    )


def _unread(audited: Audited) -> Iterator[str]:
    """Yield the levels at which something could not be read."""
    if audited.reading.unread:
        yield "resources"
    if any(host.unread for host in audited.hosts.values()):
        yield from ("files", "hosts")


def _installed(audited: Audited | None) -> dict[str, str]:
    return {name: host.bundle for name, host in audited.hosts.items()} if audited else {}


def _subject(plan: Plan, *, running: bool) -> Subject:
    return Subject(
        stack=plan.stack,
        profile=plan.profile,
        target=plan.target,
        account=plan.account.number,
        region=plan.network.region,
        environment=plan.policy.environment,
        state="running" if running else "planned",
        model=plan.model.name,
        engine=f"{plan.engine.name} {plan.engine.version}",
    )


def _counts(verdicts: list[str]) -> dict[str, int]:
    return {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}


def _inputs(looked: Looked) -> Iterator[Input]:
    yield _input("plan", to_json(looked.plan).encode() + b"\n")
    yield _input(f"resources ({len(looked.resources)})", resource_lines(looked.resources))
    for path, text in sorted(looked.files.items()):
        yield _input(path, text.encode())
    for folder in looked.plan.policy.folders:
        for own in sorted(Path(folder).iterdir()):
            if own.suffix in {".py", ".toml"}:
                yield _input(f"{Path(folder).name}/{own.name}", own.read_bytes())


def _input(name: str, content: bytes) -> Input:
    return Input(name=name, sha256=_sha256(content), bytes=len(content))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _retention(plan: Plan) -> Iterator[Retention]:
    for what, value, decided_by in (
        ("records in CloudWatch Logs, and flow logs of the VPC", plan.logs.retention_days, "aws.log_retention_days"),
        ("metrics in Prometheus", plan.metrics.retention_days, "metrics.retention_days"),
        ("older versions in the bucket that nodes install from", plan.storage.old_versions_days, ""),
        ("parts of uploads that were never finished", plan.storage.unfinished_uploads_days, ""),
        ("life of the endpoint's certificate", plan.tls.leaf_days, "tls.leaf_days"),
    ):
        yield Retention(what=what, value=value, unit="days", decided_by=decided_by)
    yield Retention(
        what="longest life of a token",
        value=plan.identity.max_lifetime_s,
        unit="seconds",
        decided_by="identity.max_token_lifetime_s",
    )


def teardowns_of(home: Home, stack: str) -> Iterator[Teardown]:
    """Yield the certificates of earlier stacks of this name, oldest first; one that cannot be read is none."""
    found = []
    for path in home.archive.glob(f"{stack}-*.json") if home.archive.is_dir() else ():
        raw = path.read_bytes()
        try:
            certificate = msgspec.json.decode(raw, type=Certificate)
        except msgspec.MsgspecError:
            continue
        if certificate.stack == stack:
            found.append((certificate.ended_at, path.name, raw, certificate))
    for ended_at, name, raw, certificate in sorted(found, key=lambda one: one[:2]):
        yield Teardown(
            file=name,
            sha256=_sha256(raw),
            stack=stack,
            profile=certificate.profile,
            begun_at=certificate.begun_at,
            ended_at=ended_at,
            removed=len(certificate.removed),
            left=len(certificate.leftovers),
        )
