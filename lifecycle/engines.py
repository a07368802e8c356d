"""The two engines that carry out the one Pulumi program, behind the verbs that both have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lifecycle import files
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.journal import Journal
from lifecycle.marked import SERVICE_MARK, STACK_MARK
from lifecycle.pulumi_place import StateChoice, engine_folder, known_choice
from lifecycle.pulumi_version import find_cli, plugin, searched
from lifecycle.refusals import refuse_resource
from planner.plan import Plan, Target, to_json
from planner.progress import Progress
from planner.resources import Resource
from sandbox.engine import Change, Drift, Engine, Event, Preview, Result, StateFile
from sandbox.engine.failures import short
from sandbox.engine.offline import EMULATED_ACCOUNT, offline_answers
from sandbox.handlers.base import Clients
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import Boto3Clients, default_registry

if TYPE_CHECKING:
    from lifecycle.pulumi_state import Mended
    from lifecycle.real_engine import RealEngine

PROJECT = "cloister"
POLICIES = Path(__file__).resolve().parent.parent / "policies"


class ResourceEngine(Protocol):
    """Carries out one program for one stack."""

    def preview(self, program: Callable[[], None]) -> Preview:
        """Say what the program registers and what that would change, and change nothing."""

    def up(self, program: Callable[[], None]) -> Result:
        """Bring the account to what the program says."""

    def refresh(self) -> tuple[Change, ...]:
        """Look at everything; return what was changed or removed behind our back."""

    def drift(self) -> tuple[Drift, ...]:
        """Look at everything; return what was changed or deleted behind our back, and write nothing."""

    def destroy(self) -> Result:
        """Delete everything the state knows."""

    def resources(self) -> tuple[Resource, ...]:
        """Return what the state knows."""


@runtime_checkable
class Repairable(Protocol):
    """An engine that keeps locks and unfinished operations of its own."""

    def repair(self, *, break_lock: bool = False) -> Mended:
        """Settle what a run that was killed left behind, so that nothing stands in the way of the next one."""


class Engines(Protocol):
    """Makes the engine of a stack."""

    def __call__(self, plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:
        """Return an engine.

        Args:
            plan: names the stack, its region and its account.
            home: where the engine keeps its state.
            progress: told what takes long.
            connected: the account may be asked; otherwise only what is known without it is needed.

        """


def emulated_endpoint(plan: Plan) -> str:
    """Return the URL of the stack's emulated account."""
    return f"http://127.0.0.1:{plan.port('aws', 'http')}"


def emulated_clients(plan: Plan) -> Boto3Clients:
    """Return clients of the stack's emulated account."""
    return Boto3Clients(emulated_endpoint(plan), plan.network.region)


def in_process(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:  # noqa: ARG001 - it tells nothing
    """Return the engine of this process, on the stack's emulated account."""
    return in_process_on(emulated_clients(plan) if connected else None, plan, home)


def in_process_on(clients: Clients | None, plan: Plan, home: StackHome) -> Engine:
    """Return the engine of this process on any account; None for previews."""
    return Engine(
        project=PROJECT,
        stack=plan.stack,
        state=StateFile(home.resources, files.write),
        registry=default_registry(),
        invokes=INVOKES,
        offline=offline_answers(plan.network.region, plan.account.number or EMULATED_ACCOUNT),
        clients=clients,
        gate=partial(refuse_resource, plan),
    )


def real_on_emulated(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:  # noqa: ARG001 - it always asks
    """Return Pulumi's own engine, on the emulated account: what ships, with nothing to pay for."""
    from sandbox.provider import launcher  # noqa: PLC0415 - with Pulumi's Automation API, see `_real`

    environment = {"AWS_ENDPOINT_URL": emulated_endpoint(plan)}
    executables = {launcher.NAME: launcher.script()}
    return _real(plan, home, progress, emulated_clients(plan), environment=environment, executables=executables)


def real_on_aws(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:
    """Return Pulumi's own engine with the plugin pulumi-aws, on the account that the person's credentials lead to.

    A stack that has no state yet is previewed in this process, which needs neither credentials nor the CLI.

    Raises:
        DeployError: Pulumi's CLI or its plugin is not installed, or not in the version that is needed.

    """
    choice = known_choice(home)
    if not connected and not choice.backend and not engine_folder(home).exists():
        return in_process(plan, home, progress, connected=False)
    find_cli(searched(os.environ, home.home.pulumi))
    plugin(home.home.pulumi)
    session = AwsSession(plan.network.region)
    configuration = {
        "aws:region": plan.network.region,
        "aws:allowedAccountIds": json.dumps([plan.account.number]),  # the plugin refuses others by itself, too
    }
    return _real(plan, home, progress, session, configuration=configuration, choice=choice)


ENGINES: dict[Target, Engines] = {"sandbox": in_process, "aws": real_on_aws}
"""Target -> what makes its engine."""


def _real(
    plan: Plan,
    home: StackHome,
    progress: Progress,
    clients: Clients,
    *,
    environment: Mapping[str, str] | None = None,
    executables: Mapping[str, str] | None = None,
    configuration: Mapping[str, str] | None = None,
    choice: StateChoice | None = None,
) -> RealEngine:
    """Return Pulumi's own engine for a stack."""
    # Pulumi's Automation API and its generated messages: a quarter of a second that only this engine pays for.
    from lifecycle.pulumi_events import noting, recording  # noqa: PLC0415 - see above
    from lifecycle.real_engine import Place, RealEngine  # noqa: PLC0415 - see above

    registry = default_registry()

    def find(token: str, inputs: Mapping[str, Any]) -> str | None:
        return registry[token].find(clients, dict(inputs)) if token in registry else None

    tell, record = noting(progress), recording(home.events)

    def listen(event: Event) -> None:
        record(event)
        tell(event)

    place = Place(
        folder=engine_folder(home),
        home=home.home.pulumi,
        environment={
            "AWS_REGION": plan.network.region,
            STACK_MARK: str(home.folder),  # `down` finds what a killed run left running
            SERVICE_MARK: "pulumi",
            **(environment or {}),
        },
        executables=executables or {},
        choice=choice or StateChoice(),
    )
    return RealEngine(
        project=PROJECT,
        stack=plan.stack,
        place=place,
        configuration={f"{PROJECT}:plan": to_json(plan), **(configuration or {})},
        find=find,
        policy_packs=(POLICIES,),
        listener=listen,
        told_of_mending=lambda mended: _keep_mended(home, progress, mended),
    )


def _keep_mended(home: StackHome, progress: Progress, mended: Mended) -> None:
    """Write into the journal what a crash had left, and what became of it."""
    journal = Journal(home.journal, "repair")
    if mended.released:
        with journal.step("released a lock that nobody held"):
            progress.note("an engine that was killed had left its lock: released")
    for done, urns in (("took over", mended.adopted), ("forgot", mended.forgotten)):
        for urn in urns:
            with journal.step(f"{done} what was interrupted", urn):
                progress.note(f"{done} {short(urn)}, which an interrupted run had begun")
