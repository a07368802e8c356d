"""What is done in the life of a stack: each function runs in a process of its own, which may be killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from lifecycle import switches
from lifecycle.engines import in_process_on
from lifecycle.home import StackHome
from lifecycle.provision import Provisioner
from lifecycle.sweep import account_of
from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import Swept, ids_of, sweep
from lifecycle.teardown_certificate import Leftover, leftovers_of
from planner.errors import DeployError
from planner.outputs import Outputs
from planner.plan import Plan
from planner.progress import Progress, Silent
from sandbox.engine import Engine
from sandbox.faults.catalogue import ByHand
from sandbox.handlers.clients import Boto3Clients

_GOES_WITH_ITS_OWNER = {"network-interface", "volume"}
"""Kinds that end with an instance or an endpoint, and that no state knows."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What `down` came to.

    Attributes:
        error: why the engine could not delete everything; empty if it could.
        swept: what only the sweep found.
        leftovers: what the sweep still sees at the end.

    """

    error: str
    swept: int
    leftovers: tuple[Leftover, ...]


class Life:
    """The verbs over one stack in one account."""

    def __init__(self, plan: Plan, home: StackHome, clients: Boto3Clients, patience_s: float) -> None:
        self.patience_s = patience_s
        """How long the sweep waits for what takes its time."""
        self.plan = plan
        self.home = home
        self.clients = clients

    def up(self) -> set[str]:
        """Bring the stack up, and return what was done with its resources: `create`, `update`, `same`...

        Raises:
            DeployError: the account refused.

        """
        _, changes = self._provisioner().up()
        return {change.op for change in changes}

    def up_again(self) -> set[str]:
        """Bring it up again, comparing every resource as though it were not known that nothing differs."""
        Path(self.home.folder, "settled").unlink(missing_ok=True)
        return self.up()

    def look(self) -> tuple[str, ...]:
        """Read everything back; return in words what is not as it should be."""
        engine = self._engine()
        changed = [f"{one.type} {one.name} was changed by hand ({one.op})" for one in engine.drift()]
        known = ids_of(engine.resources()) | {node.instance_id for node in self._outputs().nodes}
        goes = _GOES_WITH_ITS_OWNER | ({"scheduled-action"} if self.plan.deadline else set())
        left = self._swept(delete=False).left
        strange = [one for one in left if one.id not in known and one.kind not in goes]
        lost = switches.missing(self.clients, self.plan)
        return (
            *changed,
            *(f"{one.kind} {one.id} exists and nothing knows it" for one in strange),
            *(f"{one.name} does not run" for one in lost),
        )

    def change_by_hand(self, change: ByHand) -> None:
        """Do what somebody does behind the program's back."""
        found = (one.id for one in self._engine().resources() if one.type == change.resource)
        # A node with a deadline is its group's, and no resource of the program.
        first = next(found, self._outputs().nodes[0].instance_id)
        getattr(self.clients.client(change.service), change.call)(**_filled(change.arguments, first))

    def down(self) -> Ended:
        """Take the stack away, then everything that carries its tag; never stop half way."""
        errors: list[str] = []
        try:
            self._provisioner().destroy()
        except DeployError as refused:
            errors.append(f"{refused.message}. {refused.hint}")
        try:
            swept = self._swept(delete=True)
        except ClientError as refused:
            return Ended(error="; ".join((*errors, f"the sweep could not look: {refused}")), swept=0, leftovers=())
        return Ended(error="; ".join(errors), swept=len(swept.deleted), leftovers=leftovers_of(swept))

    def _outputs(self) -> Outputs:
        return msgspec.json.decode(self.home.outputs.read_bytes(), type=Outputs)

    def _swept(self, *, delete: bool) -> Swept:
        place = Place(self.clients, account_of(self.clients), self.plan.stack)
        return sweep(place, Silent(), delete=delete, within_s=self.patience_s)

    def _engine(self) -> Engine:
        return in_process_on(self.clients, self.plan, self.home)

    def _provisioner(self) -> Provisioner:
        def engines(plan: Plan, home: StackHome, progress: Progress, *, connected: bool) -> Engine:
            del progress
            return in_process_on(self.clients if connected else None, plan, home)

        return Provisioner(self.plan, self.home, Silent(), engines, self.clients)


def _filled(value: Any, resource_id: str) -> Any:
    """Return a value with the resource's id in its place."""
    if isinstance(value, dict):
        return {key: _filled(item, resource_id) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, resource_id) for item in value]
    return value.replace("{id}", resource_id) if isinstance(value, str) else value
