"""From what a person asks for to a judged plan: nothing is created here."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lifecycle import files, ports
from lifecycle.home import StackHome
from lifecycle.model_config import config_of
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.errors import UsageError
from planner.make_plan import Site, make_plan
from planner.plan import CostPlan, Decision, Plan, UpstreamPlan, to_json
from planner.profile import Profile
from planner.progress import Progress
from planner.ranges import Range
from planner.transfer import push_time
from policies.run import Finding, evaluate


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for.

    Attributes:
        profile: name or path; empty to take the stack's own again.
        upstream_url: an OpenAI-compatible server in the engine's place; empty for none.
        upstream_key_env: environment variable that holds its key; empty for none.
        accept_licence: a licence that forbids commercial use, by which somebody says that theirs is allowed.

    """

    profile: str = ""
    upstream_url: str = ""
    upstream_key_env: str = ""
    accept_licence: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, kept with the stack so that it can be asked again anywhere."""

    profile: Profile
    upstream: UpstreamPlan | None
    model_config: dict[str, Any] | None = None
    """Content of the file that `model.config` named."""


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
    push_s: Range | None
    """Seconds that the weights take to the bucket over the line that was given; null where none was."""


def decide(home: StackHome, request: Request) -> tuple[Plan, Kept]:
    """Make the plan, with the ports that the stack has or the defaults; nothing is written.

    Raises:
        UsageError: the request, the profile or the plan is wrong.

    """
    kept = _kept(home, request)
    return plan_with_ports(home, kept, ports.remembered(home)), kept


def plan_with_ports(home: StackHome, kept: Kept, numbers: dict[str, int]) -> Plan:
    """Make the plan for known port numbers."""
    site = Site(stack=home.name, ports=numbers, upstream=kept.upstream, model_config=kept.model_config)
    return make_plan(kept.profile, load_catalogue(), site)


def judge(plan: Plan, home: StackHome, progress: Progress, uplink_mbit_s: float | None = None) -> PlanReport:
    """Run the program without an account, and every policy over what it registers.

    Args:
        plan: as decided.
        home: the stack's place.
        progress: told about steps.
        uplink_mbit_s: of the machine that would push the bundle, in Mbit/s; None where nobody asks.

    """
    with progress.step("resources, previewed"):
        preview = Provisioner(plan, home, progress).preview()
    with progress.step("policies"):
        findings = evaluate(plan, preview.resources)
    changes: dict[str, int] = {}
    for change in preview.changes:
        changes[change.op] = changes.get(change.op, 0) + 1
    return PlanReport(
        plan=plan,
        decisions=plan.decisions,
        resources=tuple(NamedResource(type=resource.type, name=resource.name) for resource in preview.resources),
        changes=changes,
        findings=findings,
        cost=plan.cost,
        push_s=push_time(plan.bundle.weights_bytes, uplink_mbit_s, load_catalogue()) if uplink_mbit_s else None,
    )


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
    """Take what is asked for, or what the stack was made from."""
    upstream = None
    if request.upstream_url:
        upstream = UpstreamPlan(url=_checked_url(request.upstream_url), key_env=request.upstream_key_env)
    elif request.upstream_key_env:
        raise UsageError("--upstream-key-env goes with --upstream", hint="Name the server as well.")
    if request.profile:
        profile = accepting(load_profile(request.profile), request.accept_licence)
        return Kept(profile=profile, upstream=upstream, model_config=config_of(profile.model))
    try:
        kept = msgspec.json.decode((home.folder / "request.json").read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError):
        raise UsageError(
            "which profile? --profile NAME is missing",
            hint="`deploy profiles` lists them; `deploy up --profile 2xh200` is the usual first one.",
            code="no_profile",
        ) from None
    return msgspec.structs.replace(kept, upstream=upstream) if upstream else kept


def accepting(profile: Profile, licence: str) -> Profile:
    """Return the profile with a licence accepted that the command line names."""
    if not licence:
        return profile
    return msgspec.structs.replace(profile, model=msgspec.structs.replace(profile.model, accept_licence=licence))


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UsageError(
            f"--upstream {url!r} is no URL of a server",
            hint="Write it as http://127.0.0.1:8000 or https://llm.example.internal; a key goes by --upstream-key-env.",
        )
    return url.rstrip("/").removesuffix("/v1")
