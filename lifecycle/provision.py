"""Making and unmaking the resources of the Pulumi program."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lifecycle import files, switches
from lifecycle.aws.session import AwsSession
from lifecycle.engines import ENGINES, Engines, Repairable, ResourceEngine, emulated_clients, emulated_endpoint
from lifecycle.failing import telling_what_exists
from lifecycle.home import StackHome
from planner.errors import DeployError
from planner.outputs import Outputs
from planner.plan import Plan, to_json
from planner.progress import Counting, Progress
from planner.resources import Resource
from sandbox.engine import Change, Drift, Preview
from sandbox.handlers.base import Clients

if TYPE_CHECKING:
    from lifecycle.pulumi_state import Mended

PROGRAM = Path(__file__).resolve().parent.parent / "stacks"


class Provisioner:
    """Runs the program with one of the engines. Its program is heavy to import (Pulumi) and imported when it runs."""

    def __init__(
        self,
        plan: Plan,
        home: StackHome,
        progress: Progress,
        engines: Engines | None = None,
        clients: Clients | None = None,
    ) -> None:
        """Make one; `engines` and `clients` take the place of the target's own."""
        self.plan = plan
        self.home = home
        self.progress = progress
        self.engines = engines or ENGINES[plan.target]
        self._clients = clients

    def preview(self) -> Preview:
        """Return what the program would register and change, touching nothing.

        A settled stack is answered from its state: the program would register the same again.
        """
        engine = self._engine(connected=False)
        if not self._is_settled():
            return engine.preview(self._program)
        resources = engine.resources()
        changes = (Change(op="same", type=r.type, name=r.name, urn=r.urn) for r in resources if r.id)
        return Preview(resources=resources, changes=tuple(changes))

    def refresh(self) -> tuple[Change, ...]:
        """Look at everything that the state knows; return what was changed or removed behind our back."""
        drifted = self._engine(connected=True).refresh()
        if drifted:
            self._settled.unlink(missing_ok=True)
            self.progress.note(f"{len(drifted)} resources had changed behind our back, and are repaired")
        return drifted

    def up(self, *, refreshed: bool = False) -> tuple[Outputs, tuple[Change, ...]]:
        """Bring the account to what the program says, and keep its outputs.

        Args:
            refreshed: `refresh` was just called.

        Raises:
            DeployError: the account refused; what was made is in the state, and the next run goes on from there.

        """
        from stacks.deploy import parse_outputs  # noqa: PLC0415 - loads Pulumi and its AWS resources: a sixth of a second

        engine = self._engine(connected=True)
        with telling_what_exists(self.plan, engine, "up"):
            drifted = () if refreshed else self.refresh()
            if not drifted and self._is_settled() and not switches.missing(self.clients(), self.plan):
                return msgspec.json.decode(self.home.outputs.read_bytes(), type=Outputs), self.preview().changes
            self._settled.unlink(missing_ok=True)
            result = engine.up(self._program)
            changes, outputs = result.changes, parse_outputs(result.outputs)
            if self.plan.deadline and len(outputs.nodes) < len(self.plan.nodes):
                # The switches stand now, so nodes can be started; what needs their addresses follows.
                with self.progress.step("nodes, after their switches"):
                    switches.start(self.clients(), self.plan, self.progress)
                result = engine.up(self._program)
                changes = (*changes, *(change for change in result.changes if change.op != "same"))
                outputs = parse_outputs(result.outputs)
        files.write(self.home.outputs, msgspec.json.encode(outputs))
        files.write(self._settled, self._fingerprint())
        return outputs, changes

    def drift(self) -> tuple[Drift, ...]:
        """Return what was changed or deleted behind our back; nothing is written."""
        return self._engine(connected=True).drift()

    def destroy(self) -> tuple[Change, ...]:
        """Delete everything the state knows, in reverse order; nodes that have a switch end before it goes."""
        self._settled.unlink(missing_ok=True)
        engine = self._engine(connected=True)
        with telling_what_exists(self.plan, engine, "down"):
            if self.plan.deadline:
                switches.empty(self.clients(), self.plan.stack)
            if isinstance(self.progress, Counting):
                self.progress.expect(sum(bool(resource.id) for resource in engine.resources()))
            return engine.destroy().changes

    def resources(self) -> tuple[Resource, ...]:
        """Return the resources as the state has them."""
        return self._engine(connected=False).resources()

    def resources_or_none(self) -> tuple[Resource, ...] | None:
        """Return the resources as the state has them; None when the state cannot be read."""
        try:
            return self.resources()
        except DeployError:
            return None

    def check(self) -> None:
        """Find out whether the engine can work here, before anybody agrees to anything.

        Raises:
            DeployError: something that it needs is missing.

        """
        self._engine(connected=True)

    def repair(self, *, break_lock: bool) -> Mended | None:
        """Settle what a run that was killed left in the engine's state; None for one that does so by itself."""
        engine = self._engine(connected=True)
        return engine.repair(break_lock=break_lock) if isinstance(engine, Repairable) else None

    def clients(self) -> Clients:
        """Return clients of the account."""
        if self._clients:
            return self._clients
        return emulated_clients(self.plan) if self.plan.target == "sandbox" else AwsSession(self.plan.network.region)

    def account_answers(self) -> bool:
        """Tell whether the account is there to be asked: AWS is, an emulated one may not run."""
        if self.plan.target != "sandbox":
            return True
        try:
            with socket.create_connection(("127.0.0.1", self.plan.port("aws", "http")), timeout=1):
                return True
        except OSError:
            return False

    @property
    def endpoint(self) -> str:
        """URL of the emulated account."""
        return emulated_endpoint(self.plan)

    @property
    def _settled(self) -> Path:
        """The file that names the program and the plan which the account was last brought to, if it was."""
        return self.home.folder / "settled"

    def _is_settled(self) -> bool:
        """Tell whether the last run ended well with this very plan and this very program."""
        try:
            return self._settled.read_text(encoding="utf-8") == self._fingerprint() and self.home.outputs.is_file()
        except OSError:
            return False

    def _fingerprint(self) -> str:
        """Return a hash of all that the program's registrations depend on."""
        digest = hashlib.sha256(to_json(self.plan).encode())
        for path in sorted(PROGRAM.rglob("*.py")):
            digest.update(str(path.relative_to(PROGRAM)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def _program(self) -> None:
        from stacks.deploy import deploy  # noqa: PLC0415 - as above: a settled stack needs no program

        deploy(self.plan)

    def _engine(self, *, connected: bool) -> ResourceEngine:
        return self.engines(self.plan, self.home, self.progress, connected=connected)
