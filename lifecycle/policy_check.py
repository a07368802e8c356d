"""Judging files that somebody hands in: plans, states and previews of Pulumi's engine, manifests of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec

from lifecycle import files
from lifecycle.node_files import node_files
from lifecycle.policies import rules_in, today
from planner.errors import UsageError
from planner.layout import Layout
from planner.plan import PLAN_SCHEMA, Plan, PolicyPlan, from_json
from planner.resources import UNKNOWN, Resource
from policies.files import UnreadableError
from policies.manifests import Manifests
from policies.run import Finding, evaluate, refusals

MAX_BYTES = 256 * 1024 * 1024
"""A state of hundreds of nodes takes a few MiB."""
UNKNOWN_VALUE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What Pulumi writes for a value that is decided at apply (sdk/go/common/resource/plugin: UnknownStringValue)."""
SECRET_MARK, SECRET_KIND = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""What Pulumi writes in a secret's place (sdk/go/common/resource: SigKey, SecretSig)."""
STATE_VERSIONS = (3, 4)
"""Versions of Pulumi's deployments that this reads (sdk/go/common/apitype)."""
ROLES = ("config", "data", "logs", "secrets", "tls", "run")
LAYOUT = Layout(stack="/stack", **{role: f"/stack/{role}" for role in ROLES})
"""Folders of no machine: a plan's files are rendered for judging alone."""
HINT = (
    "`deploy policy check` takes a plan (`deploy plan --json`, or a stack's plan.json), a state (`pulumi stack "
    "export`), a preview (`pulumi preview --json`) or a manifest of Kubernetes (YAML or JSON, several documents)."
)

YAML = (".yaml", ".yml")
"""Endings of files that are manifests."""

Kind = Literal["plan", "state", "preview", "manifest"]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was judged, what it is, and how many resources or objects it holds."""

    file: str
    kind: Kind
    resources: int


class PolicyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What rules say of files. `ok` is false if a mandatory rule is violated, broken or cannot be decided."""

    ok: bool
    judged: tuple[Judged, ...]
    rules: int
    """How many were run."""
    findings: tuple[Finding, ...]


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds."""

    kind: Kind
    plan: Plan | None = None
    resources: tuple[Resource, ...] = ()
    manifest: str = ""
    objects: int = 0


def check(paths: tuple[Path, ...], policy: PolicyPlan, day: date | None = None) -> PolicyReport:
    """Judge files together: a plan beside a state says what the state ought to be.

    Args:
        paths: of the files.
        policy: further rules, waivers and levels; a plan's own hold as well.
        day: by which waivers end and models age; today when None.

    Raises:
        UsageError: a file cannot be read, is of no kind that is known, or of a newer version.

    """
    read = [(path, read_file(path)) for path in paths]
    plans = [one.plan for _, one in read if one.plan]
    if len(plans) > 1:
        raise UsageError("several plans are handed in: which one holds?", hint="Give one plan at a time.")
    plan = plans[0] if plans else None
    rendered = node_files(plan, LAYOUT) if plan else None
    if plan:
        plan = msgspec.structs.replace(plan, policy=_joined(plan.policy, policy))
    rules = rules_in(plan.policy.folders if plan else policy.folders)
    resources = tuple(resource for _, one in read for resource in one.resources)
    manifests = {str(path): one.manifest for path, one in read if one.kind == "manifest"}
    findings = evaluate(
        plan,
        resources,
        rules,
        files=rendered,
        today=day or today(),
        policy=policy,
        manifests=manifests or None,
    )
    return PolicyReport(
        ok=not refusals(findings, settled=True),
        judged=tuple(
            Judged(file=str(path), kind=one.kind, resources=len(one.resources) or one.objects) for path, one in read
        ),
        rules=len(rules),
        findings=findings,
    )


def _joined(own: PolicyPlan, given: PolicyPlan) -> PolicyPlan:
    """Return what a plan says of policies with what the caller adds; the caller's levels come later and hold."""
    return PolicyPlan(
        environment=given.environment or own.environment,
        folders=tuple(dict.fromkeys((*own.folders, *given.folders))),
        waivers=tuple(dict.fromkeys((*own.waivers, *given.waivers))),
        levels=(*own.levels, *given.levels),
    )


def read_file(path: Path) -> _Read:
    """Read a file of any kind that can be judged.

    Raises:
        UsageError: it cannot be read, is of no kind that is known, or of a newer version.

    """
    try:
        text = files.read_text(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=HINT, code="unreadable") from None
    if path.suffix in YAML:
        return _manifest(path, text)
    content = _decoded(path, text)
    if "apiVersion" in content and "kind" in content:
        return _manifest(path, text)
    if "plan" in content and "findings" in content:  # `deploy plan --json`
        content = content["plan"]
    if "schema" in content and "engine" in content:
        return _Read(kind="plan", plan=_plan(path, content))
    if "deployment" in content or "checkpoint" in content:
        return _Read(kind="state", resources=tuple(_state(path, content)))
    if "steps" in content:
        return _Read(kind="preview", resources=tuple(_preview(path, content["steps"])))
    raise UsageError(
        f"{path} is neither a plan nor a state, a preview or a manifest: "
        f"it holds {', '.join(sorted(content)[:5]) or 'nothing'}",
        hint=HINT,
        code="unknown_kind",
    )


def _decoded(path: Path, text: str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        UsageError: it is none, is cut short, or more than one.

    """
    try:
        content, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (json.JSONDecodeError, RecursionError) as error:
        whole = "Name a manifest FILE.yaml." if "apiVersion:" in text else "Is it cut short?"
        raise UsageError(f"{path} is no JSON: {error}. {whole}", hint=HINT, code="not_json") from None
    if text.lstrip()[end:].strip():
        raise UsageError(
            f"{path} holds several documents, one behind the other",
            hint="Hand each in as a file of its own, so that nobody takes the first for all.",
            code="several_documents",
        )
    if not isinstance(content, dict):
        raise UsageError(f"{path} is no JSON object", hint=HINT, code="unknown_kind")
    return content


def _manifest(path: Path, text: str) -> _Read:
    """Read a manifest; kinds that no rule knows are a rule's verdict, and what is no object is nobody's.

    Raises:
        UsageError: a document of it is no object of Kubernetes.

    """
    try:
        objects = Manifests({str(path): text}).objects
    except UnreadableError as error:
        raise UsageError(str(error), hint=HINT, code="manifest_invalid") from None
    return _Read(kind="manifest", manifest=text, objects=len(objects))


def _plan(path: Path, content: Mapping[str, Any]) -> Plan:
    schema = content["schema"]
    if isinstance(schema, int) and schema > PLAN_SCHEMA:
        raise UsageError(
            f"{path} is a plan of schema {schema}, and this version of the toolkit reads {PLAN_SCHEMA}",
            hint="Judge it with the version that made it, or a newer one.",
            code="newer_plan",
        )
    try:
        return from_json(msgspec.json.encode(content))
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is no whole plan: {error}", hint=HINT, code="plan_invalid") from None


def _state(path: Path, content: Mapping[str, Any]) -> Iterator[Resource]:
    version = content.get("version")
    if version not in STATE_VERSIONS:
        raise UsageError(
            f"{path} is a state of version {version}, and this reads {' and '.join(map(str, STATE_VERSIONS))}",
            hint="Export it with `pulumi stack export` of the CLI that the toolkit installs.",
            code="other_version",
        )
    latest = content.get("deployment") or (content.get("checkpoint") or {}).get("latest")
    resources = latest.get("resources") if isinstance(latest, dict) else None
    if not isinstance(resources, list) or not resources:
        raise UsageError(
            f"{path} is a state without resources",
            hint="An empty stack has nothing to judge; a state that was cut short is exported again.",
            code="empty_state",
        )
    return (_resource(path, entry) for entry in resources if not entry.get("delete"))


def _preview(path: Path, steps: Any) -> Iterator[Resource]:
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"{path} is a preview without steps", hint=HINT, code="empty_preview")
    return (_resource(path, step["newState"]) for step in steps if isinstance(step.get("newState"), dict))


def _resource(path: Path, entry: Mapping[str, Any]) -> Resource:
    try:
        urn, type_ = str(entry["urn"]), str(entry["type"])
    except (KeyError, TypeError):
        raise UsageError(f"{path} holds a resource without urn or type", hint=HINT, code="unknown_kind") from None
    outputs = _plain(entry.get("outputs") or {})
    return Resource(
        type=type_,
        name=urn.rpartition("::")[2],
        urn=urn,
        inputs=_plain(entry.get("inputs") or {}),
        outputs=outputs if isinstance(outputs, dict) else {},
        id=str(entry.get("id") or ""),
        parent=str(entry.get("parent") or ""),
        dependencies=tuple(map(str, entry.get("dependencies") or ())),
    )


def _plain(value: Any) -> Any:
    """Return a value with UNKNOWN for what is decided at apply, and for what is secret: neither can be judged."""
    if isinstance(value, dict):
        if value.get(SECRET_MARK) == SECRET_KIND:
            return UNKNOWN
        return {key: _plain(item) for key, item in value.items() if key != "__defaults"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return UNKNOWN if value == UNKNOWN_VALUE else value
