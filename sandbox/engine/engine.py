"""The engine's verbs over one stack's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from planner.errors import DeployError
from planner.resources import Resource
from sandbox.engine.changes import Change, Drift, Event, Preview, Result
from sandbox.engine.deleting import Deleting
from sandbox.engine.failures import explain
from sandbox.engine.ordering import PARALLEL
from sandbox.engine.refreshing import drift_of, refreshed
from sandbox.engine.state import StateFile
from sandbox.handlers.base import Clients, Registry

Invokes = Mapping[str, Callable[[Clients, dict[str, Any]], dict[str, Any]]]
"""Data source token -> what asks the account."""
Offline = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
"""Data source token -> what is known without an account."""
Program = Callable[[], None]


class Engine:
    """Carries out one Pulumi program for one stack."""

    def __init__(
        self,
        *,
        project: str,
        stack: str,
        state: StateFile,
        registry: Registry,
        invokes: Invokes,
        offline: Offline,
        clients: Clients | None,
        listener: Callable[[Event], None] = lambda _: None,
        gate: Callable[[Resource], None] = lambda _: None,
    ) -> None:
        """Make an engine.

        Args:
            project: part of every URN.
            stack: part of every URN.
            state: what exists.
            registry: what carries resources out.
            invokes: what answers data sources.
            offline: what answers them without an account.
            clients: the account; None for previews.
            listener: told about every operation.
            gate: shown every resource just before it is created or changed, when its inputs are known; what it raises
                stops that resource and all that depend on it.

        """
        self.project = project
        self.stack = stack
        self.state = state
        self.registry = registry
        self.invokes = invokes
        self.offline = offline
        self.clients = clients
        self.listener = listener
        self.gate = gate

    def preview(self, program: Program) -> Preview:
        """Say what the program registers and what that would change; nothing is changed and no account is needed.

        Raises:
            DeployError: a resource type that nothing carries out, or an option that is not supported.

        """
        from sandbox.engine.previewing import Previewing  # noqa: PLC0415 - imports Pulumi

        carrier = Previewing(self)
        self._run(program, carrier, preview=True)
        return Preview(resources=tuple(carrier.resources), changes=carrier.all_changes())

    def up(self, program: Program) -> Result:
        """Bring the account to what the program says.

        Raises:
            DeployError: something failed; what was done is in the state, and the next run goes on from there.

        """
        from sandbox.engine.carrying import Carrying  # noqa: PLC0415 - imports Pulumi

        carrier = Carrying(self, self._account())
        exports = self._run(program, carrier, preview=False)
        carrier.delete_unwanted()
        with self.state.changing() as state:
            state.outputs = exports
        return Result(changes=tuple(carrier.changes), outputs=exports)

    def refresh(self) -> tuple[Change, ...]:
        """Look at everything: what is gone leaves the state, what was changed by hand is noted for the next `up`."""
        account = self._account()
        records = [record for record in self.state.records().values() if record.id]
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = list(pool.map(lambda record: refreshed(record, self.registry, account), records))
        changes = []
        with self.state.changing() as state:
            for record, (op, now) in zip(records, found, strict=True):
                if now is None:
                    del state.resources[record.urn]
                else:
                    state.resources[record.urn] = now
                if op != "same":
                    changes.append(Change(op=op, type=record.type, name=record.name, urn=record.urn))
        return tuple(changes)

    def drift(self) -> tuple[Drift, ...]:
        """Look at everything; return what was changed or deleted behind our back, and write nothing."""
        account = self._account()
        records = [record for record in self.state.records().values() if record.id]
        with ThreadPoolExecutor(PARALLEL) as pool:
            found = pool.map(lambda record: drift_of(record, self.registry, account), records)
        return tuple(one for one in found if one is not None)

    def destroy(self) -> Result:
        """Delete everything the state knows, dependents first; no program is needed.

        Raises:
            DeployError: something could not be deleted; the rest was.

        """
        deleting = Deleting(self, self._account())
        state = self.state.state
        deleting.resolve_pending({*state.pending})
        deleting.delete([*state.resources.values(), *state.doomed])
        with self.state.changing() as left:
            left.outputs = {}
        return Result(changes=tuple(deleting.changes), outputs={})

    def resources(self) -> tuple[Resource, ...]:
        """Return what the state knows."""
        return tuple(
            Resource(
                type=record.type,
                name=record.name,
                urn=record.urn,
                inputs=record.inputs,
                outputs=record.outputs,
                id=record.id,
                parent=record.parent,
                dependencies=record.dependencies,
            )
            for record in self.state.records().values()
        )

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source.

        Raises:
            DeployError: nothing answers this one.

        """
        if token not in (self.offline if self.clients is None else self.invokes):
            raise DeployError(f"nothing answers the data source {token}", code="unknown_data_source")
        return self.offline[token](arguments) if self.clients is None else self.invokes[token](self.clients, arguments)

    def _run(self, program: Program, carrier: Any, *, preview: bool) -> dict[str, Any]:
        from sandbox.engine.monitor import Monitor  # noqa: PLC0415 - imports Pulumi
        from sandbox.engine.program import run  # noqa: PLC0415 - imports Pulumi

        monitor = Monitor(carrier)
        try:
            run(program, monitor, project=self.project, stack=self.stack, preview=preview)
        except Exception:
            if not monitor.failures:
                raise  # the program's own fault
        if monitor.failures:
            raise explain(monitor.failures, monitor.skipped, self.state)
        return monitor.exports

    def _account(self) -> Clients:
        if self.clients is None:
            raise DeployError("this engine was made without an account", code="no_account")
        return self.clients
