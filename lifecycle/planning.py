"""From what a person asks for to a judged plan: nothing is created here."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from lifecycle import files, ports, switches
from lifecycle.aws.account import check_account
from lifecycle.aws.preflight import Room, room_for
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.kept import KeptHosts, nobody, settle
from lifecycle.hosts.ssh import Confirm
from lifecycle.lifetime import asked_lifetime
from lifecycle.model_config import config_of
from lifecycle.node_files import node_files
from lifecycle.policies import folder_of, policy_of, rules_of, today
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from lifecycle.pulumi_place import StateChoice
from planner.bill import Bill, bill
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime, hours_of
from planner.errors import UsageError
from planner.make_plan import Site, make_plan
from planner.plan import CostPlan, Decision, Plan, Target, UpstreamPlan, to_json
from planner.profile import Profile
from planner.progress import Progress
from planner.ranges import Range
from planner.transfer import push_time
from policies.run import Finding, evaluate
from sandbox.engine import Preview

INSTANCE = "aws:ec2/instance:Instance"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for.

    Attributes:
        profile: name or path; empty to take the stack's own again.
        upstream_url: an OpenAI-compatible server in the engine's place; empty for none.
        upstream_key_env: environment variable that holds its key; empty for none.
        accept_licence: the model's licence may forbid commercial use, and somebody says that theirs is allowed.
        target: where nodes come from; empty for the stack's own, or the sandbox.
        state: where Pulumi keeps the state of a stack on AWS; None for the stack's own choice.
        ttl: how long a new stack lives, for example `8h`; empty for what the profile says.
        until: when it ends; empty for what the profile says.
        max_cost: what its machines may cost, in USD; None for what the profile says.
        inventory: the hosts of the target `metal`; None for the stack's own.
        key: file of the private key that logs in on them; empty for the user's own.
        bundle: folder of the bundle that hosts install from; empty for the stack's own.
        confirm: is asked about host keys that nobody knows yet.

    """

    profile: str = ""
    target: Target | Literal[""] = ""
    state: StateChoice | None = None
    upstream_url: str = ""
    upstream_key_env: str = ""
    accept_licence: bool = False
    ttl: str = ""
    until: str = ""
    max_cost: float | None = None
    inventory: Inventory | None = None
    key: str = ""
    bundle: str = ""
    confirm: Confirm = nobody


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, kept with the stack so that it can be asked again anywhere."""

    profile: Profile
    upstream: UpstreamPlan | None
    model_config: dict[str, Any] | None = None
    """Content of the file that `model.config` named."""
    target: Target = "sandbox"
    account: str = ""
    """Number of the AWS account that the stack was begun in."""
    lifetime: Lifetime | None = None
    """Settled when the stack is first made; `extend` moves it."""
    hosts: KeptHosts | None = None
    """Of the target `metal`."""


class NamedResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that the plan would create."""

    type: str
    name: str


class PlanReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known before anything happens."""

    plan: Plan
    decisions: tuple[Decision, ...]
    resources: tuple[NamedResource, ...]
    changes: dict[str, int]
    """Operation (`create`, `update`, `replace`, `delete`, `same`) -> number of resources."""
    findings: tuple[Finding, ...]
    cost: CostPlan
    bill: Bill
    launched: tuple[str, ...]
    """Names of the nodes that run already, and go on running."""
    push_s: Range | None
    """Seconds that the weights take to the bucket over the line that was given; null where none was."""
    room: Room | None = None
    """What the account says about room for the nodes; null in the sandbox."""


def decide(home: StackHome, request: Request) -> tuple[Plan, Kept]:
    """Make the plan, with the ports that the stack has or the defaults; nothing is written.

    On AWS the credentials are looked at first: they say which account is planned for.

    Raises:
        UsageError: the request, the profile or the plan is wrong.
        DeployError: the credentials are of another account than the stack's, or there are none.

    """
    kept = _kept(home, request)
    if kept.target == "aws":
        session = AwsSession(kept.profile.aws.region)
        caller = check_account(session, kept.account or kept.profile.aws.account)
        kept = msgspec.structs.replace(kept, account=caller.account)
    return plan_with_ports(home, kept, ports.remembered(home)), kept


def plan_with_ports(home: StackHome, kept: Kept, numbers: dict[str, int]) -> Plan:
    """Make the plan for known port numbers."""
    site = Site(
        stack=home.name,
        target=kept.target,
        ports=numbers,
        upstream=kept.upstream,
        model_config=kept.model_config,
        account=kept.account,
        lifetime=kept.lifetime,
        hosts=kept.hosts.plans if kept.hosts else (),
        policy=policy_of(kept.profile),
    )
    return make_plan(kept.profile, load_catalogue(), site)


def judge(plan: Plan, home: StackHome, progress: Progress, uplink_mbit_s: float | None = None) -> PlanReport:
    """Run the program without an account, and every policy over what it registers and renders; nothing is asked of it.

    Args:
        plan: as decided.
        home: what the stack has already.
        progress: told about each step.
        uplink_mbit_s: of the machine that would push the bundle, in Mbit/s; None where nobody asks.

    """
    previewed = Preview(changes=(), resources=())
    if plan.target != "metal":  # there the hosts are all that there is
        with progress.step("resources, previewed"):
            previewed = Provisioner(plan, home, progress).preview()
    with progress.step("policies"):
        files_of = node_files(plan, home.layout)
        findings = evaluate(plan, previewed.resources, rules_of(plan), files=files_of, today=today())
    changes: dict[str, int] = {}
    for change in previewed.changes:
        changes[change.op] = changes.get(change.op, 0) + 1
    return PlanReport(
        plan=plan,
        decisions=plan.decisions,
        resources=tuple(NamedResource(type=resource.type, name=resource.name) for resource in previewed.resources),
        changes=changes,
        findings=findings,
        cost=plan.cost,
        bill=bill(plan.cost, hours_of(plan.deadline)),
        launched=tuple(change.name for change in previewed.changes if change.type == INSTANCE and change.op == "same"),
        push_s=push_time(plan.bundle.weights_bytes, uplink_mbit_s, load_catalogue()) if uplink_mbit_s else None,
    )


def with_room(report: PlanReport, progress: Progress) -> PlanReport:
    """Ask the account whether there is room for the nodes that it does not have yet; the sandbox has room.

    Raises:
        DeployError: there is none, or not now; the message says which limit, and where to raise it.

    """
    if report.plan.target != "aws":
        return report
    with progress.step("room in the account"):
        session, plan, launched = AwsSession(report.plan.network.region), report.plan, report.launched
        if plan.deadline:  # its nodes come from groups: no preview knows them
            missing = switches.missing(session, plan)
            launched = tuple(node.name for node in plan.nodes if node not in missing)
        room = room_for(session, plan, launched=launched, now=datetime.now(UTC))
    return msgspec.structs.replace(report, room=room, launched=launched)


def remember(home: StackHome, plan: Plan, kept: Kept) -> None:
    """Keep the plan and what it was made from."""
    files.write(home.folder / "request.json", msgspec.json.encode(kept))
    files.write(home.plan, to_json(plan))


def upstream_key(kept: Kept) -> str | None:
    """Return the upstream's key from the environment.

    Raises:
        UsageError: the variable is named and empty.

    """
    if kept.upstream is None or not kept.upstream.key_env:
        return None
    key = os.environ.get(kept.upstream.key_env, "")
    if not key:
        raise UsageError(
            f"the environment variable {kept.upstream.key_env} is empty",
            hint="It must hold the upstream's API key: keys are never taken from the command line.",
            code="no_upstream_key",
        )
    return key


def _kept(home: StackHome, request: Request) -> Kept:
    """Take what is asked for, or what the stack was made from.

    A stack keeps the deadline that it was made with, so that the same command can be run again.
    """
    upstream = None
    if request.upstream_url:
        upstream = UpstreamPlan(url=_checked_url(request.upstream_url), key_env=request.upstream_key_env)
    elif request.upstream_key_env:
        raise UsageError("--upstream-key-env goes with --upstream", hint="Name the server as well.")
    before = kept_of(home)
    if before and request.target and request.target != before.target:
        raise UsageError(
            f"the stack {home.name!r} is of the target {before.target}",
            hint=f"Name another stack: --stack NAME; or take this one down first: `deploy down --stack {home.name}`.",
            code="other_target",
        )
    if request.profile:
        profile = _found_again(load_profile(request.profile))
        if request.accept_licence:
            profile = accepting(profile)
        _check_region(home, before, profile)
        return Kept(
            profile=profile,
            upstream=upstream,
            model_config=config_of(profile.model),
            target=before.target if before else request.target or "sandbox",
            account=before.account if before else "",
            lifetime=_lifetime(before, request, profile),
            hosts=_hosts(home, before, request),
        )
    if before is None:
        raise UsageError(
            "which profile? --profile NAME is missing",
            hint="`deploy profiles` lists them; `deploy up --profile 2xh200` is the usual first one.",
            code="no_profile",
        )
    _lifetime(before, request, before.profile)
    before = msgspec.structs.replace(before, hosts=_hosts(home, before, request))
    return msgspec.structs.replace(before, upstream=upstream) if upstream else before


def _hosts(home: StackHome, before: Kept | None, request: Request) -> KeptHosts | None:
    """Return the hosts that a stack is on, or is to be on; None where it is elsewhere.

    Raises:
        UsageError: hosts are named for a stack elsewhere, or none for one on hosts.
        DeployError: a host is not reached.

    """
    target = before.target if before else request.target or "sandbox"
    if target != "metal":
        if request.inventory or request.key or request.bundle:
            raise UsageError(
                f"--inventory, --host, --key and --bundle go with --target metal; this stack is of the target {target}",
                hint="Add --target metal, or leave them out.",
                code="not_on_hosts",
            )
        return None
    known = before.hosts if before else None
    inventory = request.inventory or (known.inventory if known else None)
    if inventory is None:
        raise UsageError(
            "which hosts? --target metal needs an inventory",
            hint="Give --inventory FILE, or --host USER@ADDRESS; `docs/hosts.md` says what an inventory holds.",
            code="no_inventory",
        )
    key, bundle = request.key or (known.key if known else ""), request.bundle or (known.bundle if known else "")
    return msgspec.structs.replace(settle(home, inventory, key, request.confirm, known), bundle=bundle)


def _found_again(profile: Profile) -> Profile:
    """Return the profile with its folders of policies by their whole paths: later verbs may run from elsewhere."""
    paths = tuple(map(folder_of, profile.policies))
    return msgspec.structs.replace(profile, policies=paths)


def _check_region(home: StackHome, before: Kept | None, profile: Profile) -> None:
    """Refuse to look for a stack's resources where they are not: all of them would seem to be gone.

    Raises:
        UsageError: the stack on AWS is in another region.

    """
    if before and before.target == "aws" and before.profile.aws.region != profile.aws.region:
        raise UsageError(
            f"the stack {home.name!r} is in {before.profile.aws.region}, the profile is for {profile.aws.region}",
            hint=f"Name another stack: --stack NAME; or take this one down first: `deploy down --stack {home.name}`.",
            code="other_region",
        )


def kept_of(home: StackHome) -> Kept | None:
    """Return what the stack was made from; None where there is no stack, or its record cannot be read."""
    try:
        return msgspec.json.decode((home.folder / "request.json").read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None


def hosts_of(home: StackHome) -> KeptHosts | None:
    """Return the hosts that a stack of the target `metal` is on; None for another's."""
    kept = kept_of(home)
    return kept.hosts if kept else None


def keep_key(home: StackHome, key: str) -> None:
    """Remember which private key logs in on a stack's hosts from now on."""
    kept = kept_of(home)
    if kept and kept.hosts and kept.hosts.key != key:
        changed = msgspec.structs.replace(kept, hosts=msgspec.structs.replace(kept.hosts, key=key))
        files.write(home.folder / "request.json", msgspec.json.encode(changed))


def _lifetime(kept: Kept | None, request: Request, profile: Profile) -> Lifetime | None:
    """Return the lifetime of a stack that exists, else what is asked for.

    Raises:
        UsageError: a stack without a deadline is to get one, for which its nodes would have to be made anew.

    """
    if kept is None:
        return asked_lifetime(
            profile.lifetime, ttl=request.ttl, until=request.until, max_cost=request.max_cost, now=datetime.now(UTC)
        )
    if kept.lifetime is None and (request.ttl or request.until):
        raise UsageError(
            "the stack was made without a deadline, and its nodes would have to be made anew",
            hint="Take it down first, or use another name: --stack NAME.",
            code="no_deadline",
        )
    return kept.lifetime


def accepting(profile: Profile) -> Profile:
    """Return the profile with its model's licence accepted, by name: another model's would be asked for again."""
    row = load_catalogue().models.get(profile.model.name)
    if row is None:
        return profile
    return msgspec.structs.replace(profile, model=msgspec.structs.replace(profile.model, accept_licence=row.licence))


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UsageError(
            f"--upstream {url!r} is no URL of a server",
            hint="Write it as http://127.0.0.1:8000 or https://llm.example.internal; a key goes by --upstream-key-env.",
        )
    return url.rstrip("/").removesuffix("/v1")
