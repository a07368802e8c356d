"""What is looked at: a plan alone, with no account and nothing running, or a stack that runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from pathlib import Path

import msgspec

from lifecycle.audit import Audited, look
from lifecycle.evidence.bundle import BundleFolder, read_bundle
from lifecycle.evidence.records import Live, NotLookedAt, Tried
from lifecycle.exposure.verb import exposure_of_account, exposure_of_plan, resources_of
from lifecycle.home import Home
from lifecycle.model_config import config_of
from lifecycle.node_files import node_files
from lifecycle.planning import hosts_of
from lifecycle.policies import policy_of, rules_of
from lifecycle.policy_check import LAYOUT
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from lifecycle.stack import Stack
from lifecycle.verify import VerifyReport, verify
from planner.bundle import MANIFEST
from planner.catalogue import load_catalogue
from planner.errors import UsageError
from planner.make_plan import Site, make_plan
from planner.plan import Plan, Target
from planner.progress import Progress
from planner.resources import Resource
from policies.exposure.exposure import Exposure
from policies.exposure.planned import planned
from policies.exposure.reach import prove
from policies.rule import Scope
from policies.run import Finding, judge


@dataclass(frozen=True)
class Looked:
    """What was looked at, and what came of it.

    Attributes:
        plan: that was judged.
        resources: that rules judged; values that only the account gives are unknown where nothing exists yet.
        described: the same with ids, made up where nothing exists yet: who refers to whom can be followed through.
        files: rendered, path -> text.
        findings: of the rules.
        judged: (id of a rule, level) wherever there was something that the rule is about.
        exposure: the proof; None where there is no network to prove it of.
        audited: what was read of the running stack; None where none runs.
        live: what it answered; None where none runs.
        bundle: that hosts install from; None where nobody has it here.
        beyond: what was not looked at.

    """

    plan: Plan
    resources: tuple[Resource, ...]
    described: tuple[Resource, ...]
    files: dict[str, str]
    findings: tuple[Finding, ...]
    judged: frozenset[tuple[str, Scope]]
    exposure: Exposure | None
    audited: Audited | None
    live: Live | None
    bundle: BundleFolder | None
    beyond: tuple[NotLookedAt, ...]


def look_at_profile(
    profile: str, target: Target, stack: str, day: date, progress: Progress, *, bundle: Path | None = None
) -> Looked:
    """Look at what a profile would make; no account is asked, and nothing is written.

    Args:
        profile: its name, or its path.
        target: where it would run.
        stack: name that it would have.
        day: by which waivers end.
        progress: told about each step.
        bundle: folder of the bundle that hosts would install from; None where nobody names one.

    Raises:
        UsageError: there is no such profile, it cannot be planned, the target is hosts, which it does not name, or the
            folder holds another bundle.

    """
    plan = plan_without_account(profile, target, stack)
    brought = read_bundle(bundle, plan) if bundle else None
    with progress.step("resources, previewed"), tempfile.TemporaryDirectory(prefix="cloister-") as folder:
        resources = _in_order(Provisioner(plan, Home(Path(folder)).stack(stack), progress).preview().resources)
    with progress.step("policies"):
        files = node_files(plan, LAYOUT)
        outcome = judge(plan, resources, rules_of(plan), files=files, today=day)
    return Looked(
        plan=plan,
        resources=resources,
        described=resources_of(plan),
        files=files,
        findings=outcome.findings,
        judged=outcome.judged,
        exposure=exposure_of_plan(plan, progress),
        audited=None,
        live=None,
        bundle=brought,
        beyond=(*NOTHING_RUNS, *_beyond(plan, brought)),
    )


def plan_without_account(name: str, target: Target, stack: str) -> Plan:
    """Decide what a profile would make in whatever account the profile names.

    Raises:
        UsageError: as `look_at_profile`.

    """
    if target == "metal":
        raise UsageError(
            "a profile alone does not say on which hosts it would run",
            hint="`deploy up --target metal` first; then `deploy evidence --stack NAME --out DIR`.",
            code="no_inventory",
        )
    profile = load_profile(name)
    account = profile.aws.account if target == "aws" else ""
    site = Site(
        stack=stack, target=target, account=account, model_config=config_of(profile.model), policy=policy_of(profile)
    )
    return make_plan(profile, load_catalogue(), site)


def look_at_stack(
    stack: Stack, day: date, progress: Progress, token: str | None = None, bundle: Path | None = None
) -> Looked:
    """Look at a stack that runs: services are probed, account and hosts are read and judged, nothing is changed.

    Args:
        stack: that is up.
        day: by which waivers end.
        progress: told about each step.
        token: of the foreign issuer, where the stack does not issue its own.
        bundle: folder of the bundle that hosts install from; None for the one that the stack was made with, if any.

    Raises:
        UsageError: the folder holds another bundle.
        DeployError: it does not run, or its account does not answer.

    """
    brought = _bundle_of(stack, bundle)
    report = verify(stack, progress, token, judge=False)
    audited = look(stack, progress, day)
    resources, files = audited.reading.resources, audited.files
    return Looked(
        plan=stack.plan,
        resources=resources,
        described=resources,
        files=files,
        findings=audited.findings,
        judged=audited.judged,
        exposure=_exposure(stack, audited, progress),
        audited=audited,
        live=live_of(report),
        bundle=brought,
        beyond=(
            *_not_tried(report),
            *(NO_ACCOUNT if stack.plan.target == "metal" else ()),
            *_beyond(stack.plan, brought),
        ),
    )


def _bundle_of(stack: Stack, folder: Path | None) -> BundleFolder | None:
    """Return the bundle that is named, or the one that hosts of one's own were made with, where it still lies here."""
    if folder is not None:
        return read_bundle(folder, stack.plan)
    kept = hosts_of(stack.home)
    there = Path(kept.bundle) if kept and kept.bundle else None
    return read_bundle(there, stack.plan) if there and (there / MANIFEST).is_file() else None


def _in_order(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """Return resources by name: threads registered them, in whatever order they came."""
    return tuple(sorted(resources, key=attrgetter("urn")))


def _exposure(stack: Stack, audited: Audited, progress: Progress) -> Exposure:
    """Prove it of the account and of what was read where services run; of hosts of one's own by their files alone."""
    plan, files = audited.plan, audited.files
    if plan.target == "metal":
        return prove(planned(plan, (), files), of="hosts", stack=plan.stack)
    return exposure_of_account(plan, stack.home, progress, files)


def live_of(report: VerifyReport) -> Live:
    """Return what `verify` saw, by theme."""
    tried = tuple(Tried(id=check.id, ok=check.ok, seen=check.detail) for check in report.checks)
    return Live(
        ok=report.ok,
        tls=tuple(one for one in tried if one.id.startswith("tls.")),
        tokens=tuple(one for one in tried if one.id.startswith("auth.")),
        other=tuple(one for one in tried if not one.id.startswith(("tls.", "auth."))),
    )


NOTHING_RUNS = (
    NotLookedAt(what="TLS scan", why="no stack was asked: this is of a plan; `--stack NAME` asks one that runs"),
    NotLookedAt(what="token tests", why="as above"),
    NotLookedAt(what="what listens, what answers, what lies on the disks", why="as above"),
    NotLookedAt(what="what firewalls and SSH servers of hosts go by", why="as above: no plan renders it"),
    NotLookedAt(
        what="the account",
        why="none was asked: ids, addresses and ARNs of resources are made up from their names, and rules that need "
        "them say so",
    ),
)
NO_ACCOUNT = (
    NotLookedAt(what="networks around the hosts", why="they have no account that could be asked"),
    NotLookedAt(
        what="who owns the hosts, and in which country they stand",
        why="no inventory says it: rules about providers judge machines of an account",
    ),
)
BEYOND = (
    NotLookedAt(what="physical access, people and processes", why="no program can look at them"),
    NotLookedAt(what="source code of third parties", why="programs are known by their digests; nobody read them here"),
    NotLookedAt(what="what the model answers", why="evidence is about the place in which it runs"),
)


def _beyond(plan: Plan, bundle: BundleFolder | None) -> tuple[NotLookedAt, ...]:
    found = []
    if plan.target == "sandbox":
        found.append(
            NotLookedAt(
                what="AWS and the real engine",
                why="the sandbox has an emulated account, and an imitation in the engine's place",
            )
        )
    if bundle:
        found.append(
            NotLookedAt(
                what="the files of the bundle",
                why="its manifest says what they are; hosts hold each to it, and so does `deploy bundle verify DIR`",
            )
        )
    else:
        found.append(
            NotLookedAt(
                what="digests of weights and of the distribution's packages",
                why="no bundle was at hand: `--bundle DIR` names its folder",
            )
        )
    if plan.upstream is not None:
        found.append(NotLookedAt(what=plan.upstream.url, why="it is somebody else's server"))
    return (*found, *BEYOND)


def _not_tried(report: VerifyReport) -> tuple[NotLookedAt, ...]:
    return tuple(NotLookedAt(what=check.id, why=check.detail) for check in report.checks if check.ok is None)


def resource_lines(resources: tuple[Resource, ...]) -> bytes:
    """Return resources as one JSON line each, for their digest; what is not known yet is said to be so."""
    plain = (msgspec.to_builtins(one, enc_hook=lambda _: "(decided at apply)") for one in resources)
    return b"".join(msgspec.json.encode(one, order="sorted") + b"\n" for one in plain)
