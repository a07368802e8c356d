"""The two engines that carry out the one Pulumi program, behind the verbs that both have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lifecycle import files
from lifecycle.home import StackHome
from lifecycle.marked import SERVICE_MARK, STACK_MARK
from lifecycle.refusals import refuse_resource
from planner.plan import Plan, to_json
from planner.progress import Progress
from planner.resources import Resource
from sandbox.engine import Change, Drift, Engine, Preview, Result, StateFile
from sandbox.engine.offline import offline_answers
from sandbox.handlers.base import Clients
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import Boto3Clients, default_registry

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


def in_process(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:  # noqa: ARG001 it tells nothing
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
        offline=offline_answers(plan.network.region),
        clients=clients,
        gate=refuse_resource,
    )


def real_on_emulated(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> ResourceEngine:  # noqa: ARG001 it always asks
    """Return Pulumi's own engine, on the emulated account: what ships, with nothing to pay for."""
    # Pulumi's Automation API and its generated messages: a quarter of a second that only this engine pays for.
    from lifecycle.pulumi_events import noting  # noqa: PLC0415  see above
    from lifecycle.real_engine import Place, RealEngine  # noqa: PLC0415  see above
    from sandbox.provider import launcher  # noqa: PLC0415  see above

    registry, clients = default_registry(), emulated_clients(plan)

    def find(token: str, inputs: Mapping[str, Any]) -> str | None:
        return registry[token].find(clients, dict(inputs))

    place = Place(
        folder=home.folder / "pulumi",
        home=home.home.root / "pulumi",
        environment={
            "AWS_ENDPOINT_URL": emulated_endpoint(plan),
            "AWS_REGION": plan.network.region,
            STACK_MARK: str(home.folder),  # `down` finds what a killed run left running
            SERVICE_MARK: "pulumi",
        },
        executables={launcher.NAME: launcher.script()},
    )
    return RealEngine(
        project=PROJECT,
        stack=plan.stack,
        place=place,
        configuration={f"{PROJECT}:plan": to_json(plan)},
        find=find,
        policy_packs=(POLICIES,),
        listener=noting(progress),
    )
