"""What would happen: registrations are compared with the state, and nothing is touched."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from planner.errors import DeployError
from planner.resources import UNKNOWN, Resource
from sandbox.engine.changes import Change
from sandbox.engine.monitor import Registered, Registration

if TYPE_CHECKING:
    from sandbox.engine.engine import Engine


class Previewing:
    """Answers a dry run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.existing = engine.state.records()
        self.resources: list[Resource] = []
        self.changes: list[Change] = []
        self._gone_first: set[str] = set()
        """URNs of what is deleted before it is made again."""
        self._lock = threading.Lock()

    def register(self, registration: Registration) -> Registered:
        """Note the resource, and say what is known of it."""
        change, answer = self._compare(registration) if registration.custom else (None, Registered(id="", outputs={}))
        resource = Resource(
            type=registration.type,
            name=registration.name,
            urn=registration.urn,
            inputs=registration.inputs,
            id=answer.id,
            parent=registration.parent,
            dependencies=registration.dependencies,
        )
        with self._lock:
            self.resources.append(resource)
            if change is not None:
                self.changes.append(change)
        return answer

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source as far as that goes without an account."""
        return self.engine.invoke(token, arguments)

    def all_changes(self) -> tuple[Change, ...]:
        """Return the changes, with the deletion of what the program no longer registers."""
        wanted = {resource.urn for resource in self.resources}
        unwanted = [
            Change(op="delete", type=record.type, name=record.name, urn=record.urn)
            for record in self.existing.values()
            if record.id and record.urn not in wanted
        ]
        return (*self.changes, *unwanted)

    def _compare(self, registration: Registration) -> tuple[Change, Registered]:
        if registration.type not in self.engine.registry:
            raise DeployError(
                f"resource type {registration.type} ({registration.name}): nothing here carries it out",
                hint="The sandbox refuses what it cannot rehearse; add a handler for it.",
                code="unknown_resource_type",
            )
        old = self.existing.get(registration.urn)
        common: Any = {"type": registration.type, "name": registration.name, "urn": registration.urn}
        asked = Registered(id="", outputs=registration.inputs)
        if old is None:
            return Change(op="create", **common), asked
        handler, inputs = self.engine.registry[registration.type], registration.over(old.inputs).inputs
        difference = registration.judge(handler.diff(old.inputs, inputs))
        if self._goes_first(registration, replaced=difference.replace):
            return Change(op="replace", properties=difference.changed, **common), asked
        if not difference.changed:
            return Change(op="same", **common), Registered(id=old.id, outputs={**old.inputs, **old.outputs})
        if difference.replace:
            return Change(op="replace", properties=difference.changed, **common), asked
        later = (*difference.changed, *difference.renewed)
        outputs = {**old.inputs, **old.outputs, **dict.fromkeys(later, UNKNOWN)}
        return Change(op="update", properties=difference.changed, **common), Registered(id=old.id, outputs=outputs)

    def _goes_first(self, registration: Registration, *, replaced: bool) -> bool:
        """Tell whether a resource is deleted before it comes again: for its own sake, or for one that it depends on."""
        with self._lock:
            first = replaced and registration.delete_before_replace
            first = first or bool(self._gone_first & {*registration.dependencies})
            if first:
                self._gone_first.add(registration.urn)
        return first
